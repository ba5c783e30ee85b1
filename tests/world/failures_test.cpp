// Node failures, periodic checkpoints and cancellation in the simulator, against times worked out by hand.
#include <catch2/catch.hpp>

#include "tests/support/world.hpp"

namespace {

using namespace orrery;
using namespace orrery::test;

SimOptions checkpoints(std::int64_t every_s, std::int64_t cost_s) {
  SimOptions o;
  o.checkpoints = {seconds(every_s), seconds(cost_s)};
  return o;
}

// Cancels job 0 when job 1 arrives, starts everything else.
class CancelsFirst final : public Policy {
 public:
  void schedule(const ClusterView& view, PlanBuilder& plan) override {
    for (const Event& e : view.since_last)
      if (e.kind() == EventKind::ready && e.job.value == 1) plan.cancel(JobId(0));
    for (const JobView& v : view.pending())
      if (v.id().value != 0 || view.now == Time{}) plan.start(v.id(), *placement_);
  }

 private:
  std::unique_ptr<Placement> placement_ = make_placement("count", 1);
};

}  // namespace

TEST_CASE("checkpoints cost running time, and none is taken at the end", "[exec]") {
  // 1000 s of work: saves after 300, 600 and 900 s of it, 10 s each.
  CHECK(run_world(cluster(1, 1), {{0, 1, 1000}}, {"fifo"}, checkpoints(300, 10)).jobs[0].finish_s == 1030);
  // 900 s: the third would come at the end, so there are two.
  CHECK(run_world(cluster(1, 1), {{0, 1, 900}}, {"fifo"}, checkpoints(300, 10)).jobs[0].finish_s == 920);
  CHECK(run_world(cluster(1, 1), {{0, 1, 900}}, {"fifo"}, checkpoints(300, 0)).jobs[0].finish_s == 900);
}

TEST_CASE("a failed node costs the work since the last checkpoint and the time to repair", "[exec]") {
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    SimOptions sim = checkpoints(300, 10);
    sim.overheads.launch = seconds(20);
    sim.failures = {seconds(2000), seconds(500), seed};
    const std::int64_t work_ns = seconds(5000).ns;
    const RunResult r = run_world(cluster(1, 1), {{0, 1, 5000}}, {"fifo"}, sim);
    // The same by hand: attempts between the node's repairs, each 20 s of start, then (300 s of work, 10 s) ...
    NodeFailures node(sim.failures, 0);
    std::int64_t now = 0;
    std::int64_t saved = 0;
    while (true) {
      const std::int64_t fails = now + node.next().ns;
      const std::int64_t start = now + seconds(20).ns;
      std::int64_t at = start;
      std::int64_t done = saved;
      while (work_ns - done > seconds(300).ns && at + seconds(310).ns <= fails) {
        at += seconds(310).ns;
        done += seconds(300).ns;
      }
      const std::int64_t rest = work_ns - done;
      if (rest <= seconds(300).ns && at + rest <= fails) {
        now = at + rest;
        break;
      }
      saved = done;
      now = fails + node.next().ns;
    }
    INFO("seed " << seed);
    CHECK(r.jobs[0].state == JobState::finished);
    CHECK(r.jobs[0].finish_s == Approx(static_cast<double>(now) / 1e9).epsilon(1e-12));
  }
}

TEST_CASE("failures of its nodes are not charged to a job, its own are, up to the budget", "[exec]") {
  const Workload w = make_workload({{0, 1, 10}});
  const Topology topology(cluster(1, 1));
  const IdealModel model;
  ClusterState state(topology, w.specs, w.demands, model, 2);
  state.apply(Event{.job = JobId(0), .what = event::Submit{}});
  state.apply(Event{.job = JobId(0), .what = event::Ready{}});
  Allocation gpu;
  gpu.add({.node = NodeId(0), .gpus = 1});
  const auto fail_once = [&](std::int64_t second, NodeId node) {
    state.planned().take(gpu);
    Plan plan;
    plan.targets.emplace_back(JobId(0), Target{.gpus = gpu});
    state.accept(plan);
    state.launch(JobId(0), at_seconds(second), GangId(static_cast<std::uint32_t>(second)));
    state.apply(Event{.at = at_seconds(second + 1),
                      .job = JobId(0),
                      .incarnation = state.record(JobId(0)).incarnation,
                      .what = event::Failed{.node = node}});
    return state.record(JobId(0)).state;
  };
  for (int i = 0; i < 5; ++i) CHECK(fail_once(2 * i, NodeId(0)) == JobState::pending);
  CHECK(fail_once(20, NodeId{}) == JobState::pending);
  CHECK(fail_once(22, NodeId{}) == JobState::pending);
  CHECK(fail_once(24, NodeId{}) == JobState::failed);
  state.check_against_rebuild();
}

// Found here: a running job that was cancelled was reported as ended while it still held its GPUs.
TEST_CASE("a running job that is cancelled ends when it holds nothing", "[control]") {
  const Workload w = make_workload({{0, 1, 100}, {10, 1, 5}});
  CancelsFirst policy;
  InvariantChecker checker;
  SimOptions sim;
  sim.overheads.launch = seconds(1);
  const RunResult r = run_world(cluster(1, 1), w, policy, sim, true, {&checker});
  CHECK(r.outcome.status == RunStatus::completed);
  CHECK(checker.ok());
  CHECK(r.jobs[0].state == JobState::cancelled);
  CHECK(r.jobs[1].start_s == 10);
  CHECK(r.jobs[1].finish_s == 16);
}
