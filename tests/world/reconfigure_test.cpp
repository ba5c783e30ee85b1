// Another batch while a job runs: its speed changes from then on, its standing target with it; what cannot be done is
// refused with the reason.
#include <catch2/catch.hpp>
#include <fstream>

#include "sim/models/speed/profiled_model.hpp"
#include "tests/support/batches.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/support/text.hpp"
#include "tests/support/world.hpp"

namespace {

using namespace orrery;
using namespace orrery::test;

class Configured final : public Observer {
 public:
  void on_event(const Event& e) override {
    if (const auto* c = e.get_if<event::Reconfigured>())
      text += fmt::format("{} to {}x{}; ", to_seconds(e.at), c->batch, c->accumulation);
    if (const auto* no = e.get_if<event::CommandFailed>())
      text += fmt::format("{} {}; ", to_seconds(e.at), to_string(no->why));
    if (const auto* p = e.get_if<event::Published>())
      text += fmt::format("{} v{} at {}; ", to_seconds(e.at), p->version, p->per_mille);
    if (e.kind() == EventKind::launch) ++launches;
  }
  std::string text;
  int launches = 0;
};

struct Reconfigured {
  std::string answers;
  double finish_s = -1;
  RunConfig config{};
  int launches = 0;
};

// A job of 100 s, and one of 1 s that may start from what it publishes.
Reconfigured reconfigured(const std::string& script, bool knows_batches, SimOptions sim = {}) {
  const TempFolder dir;
  std::ofstream(dir.file("script")) << script;
  const auto policy = make_policy({"scripted", "count", {{"file", dir.file("script")}}});
  Workload w = make_workload({{0, 1, 100}, {0, 1, 1}});
  w.specs[1].after = {{JobId(0), false, 1000}};
  const Topology topology(cluster(1, 2));
  const Batches batches(w);
  const IdealModel ideal;
  const PerformanceModel& speed = knows_batches ? static_cast<const PerformanceModel&>(batches) : ideal;
  SimExecutor executor(topology, w, speed, sim);
  JobSource source(w.specs, [](const JobSpec& s) { return s.user_estimate; });
  InvariantChecker checker(watched(w, speed, sim));
  Configured seen;
  ControllerOptions options;
  options.check_views = true;
  Controller controller(executor, *policy, source, w.specs, w.demands, speed, options, {&checker, &seen});
  CHECK(controller.run().status == RunStatus::completed);
  check_clean(checker);
  const JobRecord& r = controller.state().record(JobId(0));
  return {seen.text, to_seconds(r.since), r.held_config, seen.launches - 1};
}

// Starts everything with such a batch.
class StartsWith final : public Policy {
 public:
  StartsWith(std::int64_t batch, std::int32_t accumulation) {
    ask_.config.batch = batch;
    ask_.config.accumulation = accumulation;
  }
  void schedule(const ClusterView& view, PlanBuilder& plan) override {
    const std::vector<JobId> waiting(view.pending().ids().begin(), view.pending().ids().end());
    for (const JobId job : waiting) plan.start(job, *placement_, ask_);
  }

 private:
  Ask ask_{};
  std::unique_ptr<Placement> placement_ = make_placement("count", 1);
};

// A job on two GPUs.
RunOutcome started_with(const PerformanceModel& speed, std::int64_t batch, std::int32_t accumulation = 0) {
  Workload w = make_workload({{0, 2, 100}});
  w.truths[0].work = speed.work_of(w.specs[0]).value_or(w.truths[0].work);
  const Topology topology(cluster(1, 2));
  SimExecutor executor(topology, w, speed, {});
  JobSource source(w.specs, [](const JobSpec& s) { return s.user_estimate; });
  StartsWith policy(batch, accumulation);
  InvariantChecker checker(watched(w, speed));
  Controller controller(executor, policy, source, w.specs, w.demands, speed, {}, {&checker});
  RunOutcome outcome = controller.run();
  if (outcome.status == RunStatus::completed) check_clean(checker);
  return outcome;
}

// Measured on two GPUs of a node, with 4 and 16 samples at once on each.
std::shared_ptr<ProfiledModel> two_batches(bool clamp) {
  ApplicationProfile p;
  p.name = "net";
  p.hardware = "k9";
  for (const double batch : {4.0, 16.0}) p.exact.push_back({2, 1, 2, batch, 0.1 + 0.01 * batch, 0.1});
  const auto model = ProfiledModel::compile({p}, 4).value();
  REQUIRE(model->add({"net", 16, 2, 1600}, clamp));
  return model;
}

}  // namespace

// 40 s at batch 4, then twice as fast: the 60 s that are left take 30 s.
TEST_CASE("reconfigure: a job goes on at the speed of its new batch", "[exec][reconfigure]") {
  const Reconfigured r = reconfigured("0s j0 run n0:0\n40s j0 reconfigure 8 1\n", true);
  CHECK(r.answers == "40 to 8x1; ");
  CHECK(r.finish_s == Approx(70));
  CHECK(r.config.batch == 8);
  CHECK(r.config.accumulation == 1);
  CHECK(r.launches == 1);
}

// It keeps its batch where it is suspended; preempted and run again as it was asked for, it has its own again: 20 s,
// 20 s at twice the speed, 40 s left.
TEST_CASE("reconfigure: the batch is the running job's, until it is told otherwise", "[exec][reconfigure]") {
  const Reconfigured kept =
      reconfigured("0s j0 run n0:0\n20s j0 reconfigure 8\n40s j0 suspend\n50s j0 run n0:0\n", true);
  CHECK(kept.answers == "20 to 8x0; ");
  const Reconfigured again =
      reconfigured("0s j0 run n0:0\n20s j0 reconfigure 8\n40s j0 preempt\n50s j0 run n0:0\n", true);
  CHECK(again.finish_s == Approx(50 + 40));
  CHECK(again.config.batch == 0);
}

TEST_CASE("reconfigure: what cannot be is refused, with the reason", "[exec][reconfigure]") {
  CHECK(reconfigured("0s j0 run n0:0\n40s j0 reconfigure 32\n", true).answers == "40 out_of_range; ");
  const Reconfigured unknown = reconfigured("0s j0 run n0:0\n40s j0 reconfigure 8\n", false);
  CHECK(unknown.answers == "40 impossible; ");
  CHECK(unknown.finish_s == 100);
  SimOptions saves;
  saves.checkpoints = {seconds(30), seconds(5)};
  CHECK(reconfigured("0s j0 run n0:0\n32s j0 reconfigure 8\n", true, saves).answers == "32 busy; ");
}

// A save in between: 30 s of work, 5 s of saving, 10 s at batch 4 until 45 s; 60 s are left at twice the speed, in
// which it saves once more, 30 s after the first save: at 65 s for 5 s.
TEST_CASE("reconfigure: saves go on by the clock", "[exec][reconfigure]") {
  SimOptions sim;
  sim.checkpoints = {seconds(30), seconds(5)};
  const Reconfigured r = reconfigured("0s j0 run n0:0\n45s j0 reconfigure 8\n", true, sim);
  CHECK(r.finish_s == Approx(45 + 30 + 5));
}

// Saves take 5 s: 30 to 35 s, 65 to 70 s, 100 to 105 s, when 10 s of work are left, too little for another one. From
// 106 s on, with 9 s left, the job is four times as slow: it saves at 136 s, and ends at 106 + 36 + 5 s.
TEST_CASE("reconfigure: a job that will take longer saves by the clock again", "[exec][reconfigure]") {
  SimOptions sim;
  sim.checkpoints = {seconds(30), seconds(5)};
  CHECK(reconfigured("0s j0 run n0:0\n106s j0 reconfigure 1\n", true, sim).finish_s == Approx(147));
}

TEST_CASE("reconfigure: a publication that is asked for at the same instant is made", "[exec][reconfigure]") {
  const char* script = "0s j0 run n0:0\n20s j0 reconfigure 8\n20s j0 publish\n30s j0 publish\n";
  CHECK(reconfigured(script, true).answers == "20 to 8x0; 20 v1 at 200; 30 v2 at 400; ");
}

TEST_CASE("a job that is started with a batch that nobody knows ends the run in words", "[exec][reconfigure]") {
  for (const bool clamp : {false, true}) {
    const auto model = two_batches(clamp);
    CHECK(started_with(*model, 0).status == RunStatus::completed);
    CHECK(started_with(*model, 32).status == RunStatus::completed);
    for (const auto& [batch, accumulation] : {std::pair{256, 1}, {-1, 0}}) {
      const RunOutcome r = started_with(*model, batch, accumulation);
      CHECK(r.status == RunStatus::broken);
      INFO(r.why);
      CHECK(test::has(r.why, fmt::format("job `j0` of `net` was put on 2 GPUs with a batch of {}", batch)));
    }
    const RunOutcome small = started_with(*model, 2, 1);  // one at once was never measured
    CHECK(small.status == (clamp ? RunStatus::completed : RunStatus::broken));
    if (!clamp) CHECK(test::has(small.why, "no step time for 2 GPUs on 1 nodes at 1 samples per GPU"));
  }
  const RunOutcome other = started_with(Batches(make_workload({{0, 2, 100}})), 32);
  CHECK(other.status == RunStatus::broken);
  CHECK(test::has(other.why, "job `j0` was put on 2 GPUs with a batch of 32, which its speed model does not know"));
}
