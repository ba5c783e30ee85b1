// Jobs in the bubbles of others: what they get and what that costs, in the world, in what is believed of it and in
// the checker's book alike; and what becomes of them when their host does not run any longer.
#include <catch2/catch.hpp>

#include "sim/api/bubbles.hpp"
#include "tests/support/world.hpp"

namespace {

using namespace orrery;
using namespace orrery::test;

// A step of 10 s on two stages; GPUs of the second idle for 4 s in one piece and for 1 s twice.
Bubbles two_stages() {
  return {seconds(10), 2, {{1, 1, seconds(4), 40}, {1, 2, seconds(1), 10}}};
}

Allocation gpus(std::uint32_t node, int from, int to) {
  Allocation a;
  a.add({.node = NodeId(node), .gpus = GpuMask::range(from, to)});
  return a;
}

// Job 0 is the host, of 4 GPUs; the others have units of `unit_ms`.
Workload hosted(const std::vector<TinyJob>& jobs, std::int64_t unit_ms, std::int64_t bytes = 0) {
  Workload w = make_workload(jobs);
  w.specs[0].bubbles = two_stages();
  for (std::size_t i = 1; i < w.specs.size(); ++i) w.specs[i].fills = {milliseconds(unit_ms), bytes};
  return w;
}

// Starts the host on GPUs 0 to 3 and one guest after the other on GPU 2, 3 of them; lets a test do more.
class Fills : public Policy {
 public:
  std::int32_t rate = 1000;
  std::function<void(const ClusterView&, PlanBuilder&)> more;
  std::vector<std::string> heard;

  [[nodiscard]] EventMask wakes_on() const override { return Policy::wakes_on() | mask_of(EventKind::started); }
  void schedule(const ClusterView& view, PlanBuilder& plan) override {
    for (const Event& e : view.since_last)
      if (e.kind() == EventKind::called_off) heard.push_back(fmt::format("{}@{}", e.job.value, to_seconds(e.at)));
    for (const JobView job : view.pending()) {
      if (job.id().value == 0) {
        plan.run(job.id(), gpus(0, 0, 4));
      } else if (view.state(JobId(0)) == JobState::running && view.target(JobId(0)) != nullptr) {
        const int gpu = 2 + static_cast<int>(view.fillers(JobId(0)).size() + planned_);
        if (gpu > 3 || holds_gpus(job.state)) continue;
        ++planned_;
        RunConfig config;
        config.host = JobId(0);
        config.fill_per_mille = rate;
        const std::uint32_t node = view.held(JobId(0))->slices().front().node.value;
        plan.run(job.id(), gpus(node, gpu, gpu + 1), config, Sharing::filler);
      } else if (is_final(view.state(JobId(0)))) {
        plan.run(job.id(), gpus(1, 0, 1));
      }
    }
    planned_ = 0;
    if (more) more(view, plan);
  }

 private:
  std::size_t planned_ = 0;
};

RunResult play_hosted(const Workload& w, Policy& policy, const SimOptions& sim = {}) {
  return run_checked(cluster(2, 4), w, policy, {}, sim);
}

}  // namespace

TEST_CASE("bubbles: the GPUs of a stage are its block of what the job holds", "[bubbles]") {
  Bubbles b = two_stages();
  Allocation held = gpus(0, 1, 4);
  held.add({.node = NodeId(2), .gpus = GpuMask(0b1010)});
  CHECK(stage_gpus(b, held, 0).to_string() == "n0:1-2");  // 5 GPUs: 0 to 1, 2 to 4
  CHECK(stage_gpus(b, held, 1).to_string() == "n0:3,n2:1+3");
  CHECK(stage_gpus(b, held, 2).empty());
  CHECK(stage_of(b, held, stage_gpus(b, held, 0)) == 0);
  CHECK(stage_of(b, held, stage_gpus(b, held, 1)) == 1);
  CHECK(stage_of(b, held, gpus(0, 2, 4)) == -1);  // of both
  CHECK(stage_of(b, held, gpus(0, 0, 2)) == -1);  // GPU 0 is not its own
  CHECK(stage_of(b, held, {}) == -1);
}

TEST_CASE("bubbles: a unit fits windows that are long enough and have the memory", "[bubbles]") {
  const Bubbles b = two_stages();
  const StageUse all = stage_use(b, 1, {milliseconds(400), 5});  // 10 units in the long one, 2 in each short one
  CHECK(all.windows == 3);
  CHECK(all.work == milliseconds(4000 + 2 * 800));
  CHECK(all.idle == seconds(6));
  const StageUse long_only = stage_use(b, 1, {milliseconds(1500), 5});
  CHECK(long_only.windows == 1);
  CHECK(long_only.work == seconds(3));
  CHECK(stage_use(b, 1, {milliseconds(400), 20}).windows == 1);  // the short ones have 10 bytes
  CHECK(stage_use(b, 1, {milliseconds(400), 41}).windows == 0);
  CHECK(stage_use(b, 1, {milliseconds(4001), 0}).windows == 0);
  CHECK(stage_use(b, 1, {}).windows == 0);
  CHECK(stage_use(b, 0, {milliseconds(400), 5}).idle == Duration{});
  CHECK(fill_rate(b, long_only, 1000).per_billion == 300'000'000);
  CHECK(fill_rate(b, long_only, 250).per_billion == 75'000'000);
  CHECK(fill_rate({}, long_only, 1000).per_billion == 0);
  // Three switches of 0.1 s a step of 10 s are 3 %, beside 2 % of interference.
  CHECK(fill_loss_ppm(b, all, 1000, {milliseconds(100), 20'000}) == 50'000);
  CHECK(fill_loss_ppm(b, all, 500, {milliseconds(100), 20'000}) == 25'000);
  CHECK(fill_loss_ppm(b, StageUse{}, 1000, {milliseconds(100), 20'000}) == 0);
  CHECK(after_loss(kUnitRate, 250'000).per_billion == 800'000'000);
}

// 30 s of work at 0.3: 100 s. Meanwhile the host is at 1 / 1.25, then alone: 100 s / 1.25 + 920 s.
TEST_CASE("fillers run in their host's windows and slow it down", "[exec][bubbles]") {
  const Workload w = hosted({{0, 4, 1000}, {0, 1, 30}}, 1500);
  Fills policy;
  SimOptions sim;
  sim.fill_cost = {seconds(1), 150'000};  // 10 % of a step, and 15 %
  const RunResult r = play_hosted(w, policy, sim);
  CHECK(r.jobs[1].start_s == 0);
  CHECK(r.jobs[1].finish_s == 100);
  CHECK(r.jobs[0].finish_s == 1020);
  CHECK(policy.heard.empty());
}

// Both fit: 0.56 each, and a host that loses what the worst of them costs.
TEST_CASE("of several fillers the worst counts", "[exec][bubbles]") {
  const Workload w = hosted({{0, 4, 1000}, {0, 1, 56}, {0, 1, 112}}, 400);
  Fills policy;
  SimOptions sim;
  sim.fill_cost.interference_ppm = 250'000;
  const RunResult r = play_hosted(w, policy, sim);
  CHECK(r.jobs[1].finish_s == 100);
  CHECK(r.jobs[2].finish_s == 200);
  CHECK(r.jobs[0].finish_s == 1040);  // 200 s at 0.8
}

// At half the rate from 50 s on: 15 s are done by then, the rest takes 100 s.
TEST_CASE("a filler is told to use less of the windows while it runs", "[exec][bubbles]") {
  const Workload w = hosted({{0, 4, 1000}, {0, 1, 30}}, 1500);
  Fills policy;
  std::vector<std::int64_t> rates;
  policy.more = [&](const ClusterView& view, PlanBuilder& plan) {
    if (view.now < at_seconds(50)) plan.wake_at(at_seconds(50));
    if (view.now == at_seconds(50)) {
      plan.command({JobId(1), Command::Kind::fill, {.fill_per_mille = 500}});
      plan.wake_at(at_seconds(51));
    }
    if (view.state(JobId(1)) == JobState::running) rates.push_back(view.job(JobId(1)).rate.per_billion);
    if (view.now == at_seconds(51)) CHECK(view.target(JobId(1))->config.fill_per_mille == 500);
  };
  SimOptions sim;
  sim.fill_cost.interference_ppm = 100'000;
  const RunResult r = play_hosted(w, policy, sim);
  CHECK(r.jobs[1].finish_s == 150);
  CHECK(rates == std::vector<std::int64_t>{300'000'000, 300'000'000, 150'000'000});
  // 50 s at 1 / 1.1 and 100 s at 1 / 1.05
  CHECK(r.jobs[0].finish_s == Approx(1000 + 50 - 50 / 1.1 + 100 - 100 / 1.05).epsilon(1e-8));
}

TEST_CASE("only fillers are told how much to fill", "[exec][bubbles]") {
  const Workload w = hosted({{0, 4, 100}}, 1500);
  Fills policy;
  std::vector<std::string> failed;
  policy.more = [&](const ClusterView& view, PlanBuilder& plan) {
    for (const Event& e : view.since_last)
      if (e.kind() == EventKind::started) plan.command({JobId(0), Command::Kind::fill, {.fill_per_mille = 500}});
    for (const Event& e : view.since_last)
      if (const auto* says = e.get_if<event::CommandFailed>()) failed.emplace_back(to_string(says->why));
    if (view.now < at_seconds(5)) plan.wake_at(at_seconds(5));
  };
  play_hosted(w, policy);
  CHECK(failed == std::vector<std::string>{"impossible"});
}

// The host ends at 100 s: of 60 s of work 30 s are done, and the rest is done on a GPU of its own.
TEST_CASE("a filler goes back to the queue with its work when its host ends", "[exec][bubbles]") {
  const Workload w = hosted({{0, 4, 100}, {0, 1, 60}}, 1500);
  Fills policy;
  const RunResult r = play_hosted(w, policy);
  CHECK(r.jobs[0].finish_s == 100);
  CHECK(policy.heard == std::vector<std::string>{"1@100"});
  CHECK(r.jobs[1].finish_s == 130);
}

TEST_CASE("a filler stops when its host is preempted, suspended or moved", "[exec][bubbles]") {
  const std::string how = GENERATE("preempt", "suspend", "move");
  CAPTURE(how);
  const Workload w = hosted({{0, 4, 100}, {0, 1, 60}}, 1500);
  Fills policy;
  policy.more = [&](const ClusterView& view, PlanBuilder& plan) {
    if (view.now < at_seconds(40)) plan.wake_at(at_seconds(40));
    if (view.now == at_seconds(40) && view.target(JobId(0)) != nullptr &&
        view.target(JobId(0))->gpus.touches(NodeId(0)) && view.state(JobId(0)) == JobState::running &&
        view.job(JobId(0)).restarts == 0) {
      if (how == "preempt") plan.preempt(JobId(0));
      if (how == "suspend") plan.suspend(JobId(0));
      if (how == "move") plan.run(JobId(0), gpus(1, 0, 4));
      plan.wake_at(at_seconds(45));
    }
    if (view.now == at_seconds(45) && how == "suspend") plan.run(JobId(0), gpus(0, 0, 4));
    if (how == "suspend" && view.now >= at_seconds(40) && view.now < at_seconds(45)) plan.wake_at(at_seconds(45));
  };
  SimOptions sim;
  sim.overheads.stop = seconds(2);
  const RunResult r = play_hosted(w, policy, sim);
  REQUIRE_FALSE(policy.heard.empty());
  CHECK(policy.heard.front() == "1@40");
  CHECK(r.jobs[0].state == JobState::finished);
  CHECK(r.jobs[1].state == JobState::finished);
}

// The node goes down at 50 s for 10 s: host and filler lose what they have not saved.
TEST_CASE("a filler fails with the node of its host", "[exec][bubbles]") {
  const Workload w = hosted({{0, 4, 100}, {0, 1, 60}}, 1500);
  Fills policy;
  SimOptions sim;
  sim.failures.outages.push_back({NodeId(0), at_seconds(50), at_seconds(60)});
  const RunResult r = play_hosted(w, policy, sim);
  CHECK(r.jobs[0].finish_s == 160);
  CHECK(r.jobs[1].finish_s == Approx(160 + 60 - 30).epsilon(1e-9));  // from 60 to 160 s at 0.3, then alone
}

TEST_CASE("a filler holds no GPUs and attains nothing", "[control][bubbles]") {
  const Workload w = hosted({{0, 4, 100}, {0, 1, 30}}, 1500);
  Fills policy;
  policy.more = [&](const ClusterView& view, PlanBuilder& plan) {
    CHECK(view.physical->free_gpus() == (view.held(JobId(0)) != nullptr ? 4 : 8));
    CHECK(plan.free().free_gpus() == (plan.planned(JobId(0)) != nullptr ? 4 : 8));
    CHECK(view.job(JobId(1)).attained == GpuTime{});
    if (view.now < at_seconds(60)) plan.wake_at(at_seconds(60));
    if (view.now == at_seconds(60)) CHECK(view.job(JobId(1)).done.ns == seconds(18).ns);
  };
  play_hosted(w, policy);
}

TEST_CASE("a plan that fills what is not there is refused", "[control][bubbles]") {
  const auto attempt = [](const std::function<void(PlanBuilder&)>& act) {
    const Workload w = hosted({{0, 4, 100}, {0, 1, 30}, {0, 1, 30}}, 1500);
    Fills policy;
    policy.rate = 500;
    bool done = false;
    policy.more = [&](const ClusterView& view, PlanBuilder& plan) {
      if (view.now < at_seconds(10)) plan.wake_at(at_seconds(10));
      if (view.now == at_seconds(10) && !done) act(plan);
      done = done || view.now == at_seconds(10);
    };
    run_world(cluster(2, 4), w, policy);
  };
  const auto fill = [](std::uint32_t host, const Allocation& where) {
    return [host, where](PlanBuilder& plan) {
      RunConfig config;
      config.host = JobId(host);
      config.fill_per_mille = 500;
      plan.run(JobId(2), where, config, Sharing::filler);
    };
  };
  CHECK_NOTHROW(attempt([](PlanBuilder&) {}));
  CHECK_THROWS_WITH(attempt(fill(0, gpus(0, 2, 3))), Catch::Contains("the same bubbles"));
  CHECK_THROWS_WITH(attempt(fill(0, gpus(0, 1, 3))), Catch::Contains("no GPUs of one stage"));
  CHECK_THROWS_WITH(attempt(fill(1, gpus(0, 2, 3))), Catch::Contains("does not run, or not where"));
  CHECK_THROWS_WITH(attempt([](PlanBuilder& plan) { plan.run(JobId(2), gpus(1, 0, 1), {}, Sharing::filler); }),
                    Catch::Contains("names no host"));
  CHECK_THROWS_WITH(attempt([](PlanBuilder& plan) {
                      RunConfig config;
                      config.host = JobId(0);
                      plan.run(JobId(2), gpus(1, 0, 1), config);
                    }),
                    Catch::Contains("not to fill its bubbles"));
}
