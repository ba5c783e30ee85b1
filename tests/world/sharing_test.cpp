// Jobs that share GPUs: without a model of what that costs, the members of a group take turns; plan builder and
// checker keep every kind of sharing to what it promises.
#include <catch2/catch.hpp>
#include <fstream>

#include "sim/core/assert.hpp"
#include "sim/core/random.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/support/world.hpp"

namespace {

using namespace orrery;
using namespace orrery::test;

struct Script {
  TempFolder dir;
  std::unique_ptr<Policy> policy;
  explicit Script(const std::string& text) {
    std::ofstream(dir.file("script")) << text;
    policy = make_policy({"scripted", "count", {{"file", dir.file("script")}}});
  }
};

RunResult play(const std::string& text, const std::vector<NodeGroup>& groups, const std::vector<TinyJob>& jobs) {
  const Script script(text);
  return run_world(groups, jobs, {"scripted", "count", {{"file", script.dir.file("script")}}});
}

// Thinks that whoever shares a GPU loses nothing by it, and says that this was measured.
class Generous final : public PerformanceModel {
 public:
  [[nodiscard]] Speed speed(const JobSpec& s, const Shape& g, const RunConfig& c,
                            std::span<const JobId> with) const override {
    return ideal_.speed(s, g, c, with);
  }
  [[nodiscard]] bool knows_sharing() const override { return true; }

 private:
  IdealModel ideal_;
};

// Random jobs on one node, all in groups: whole scripts of them.
struct Groups {
  std::string text;
  std::vector<TinyJob> jobs;
};
Groups random_groups(std::uint64_t seed) {
  RandomStream rng = stream(seed, "tests/sharing");
  Groups g;
  for (int i = 0; i < 8; ++i) {
    const auto group = static_cast<int>(uniform_below(rng, 2));  // group 1 on GPUs 0 and 1, group 2 on 2 and 3
    const int wide = static_cast<int>(1 + uniform_below(rng, 2));
    const int first = 2 * group + (wide == 1 ? static_cast<int>(uniform_below(rng, 2)) : 0);
    const std::int64_t submit = static_cast<std::int64_t>(uniform_below(rng, 300)) + (i == 0 ? 0 : 1);
    g.jobs.push_back({0, wide, static_cast<std::int64_t>(1 + uniform_below(rng, 500))});
    g.text += fmt::format("{}s j{} run n0:{}{} group {}\n", submit, i, first,
                          wide == 2 ? fmt::format("-{}", first + 1) : "", group + 1);
    if (uniform_below(rng, 3) == 0) g.text += fmt::format("{}s j{} suspend\n", submit + 40, i);
    if (uniform_below(rng, 3) == 0) g.text += fmt::format("{}s j{} preempt\n", submit + 60, i);
    g.text += fmt::format("{}s j{} run n0:{}{} group {}\n", submit + 90, i, first,
                          wide == 2 ? fmt::format("-{}", first + 1) : "", group + 1);
  }
  return g;
}

// GPU-seconds that jobs made progress for, on any GPU of the world at any time at most one per second.
class WorkDone final : public Observer {
 public:
  explicit WorkDone(const Workload& w) : w_(&w) {}
  void on_event(const Event& e) override {
    if (e.kind() != EventKind::finished) return;
    const std::size_t j = e.job.index();
    done += w_->specs[j].demand.gpus * to_seconds(Duration{w_->truths[j].work.ns});
    last = to_seconds(e.at);
  }
  double done = 0, last = 0;

 private:
  const Workload* w_;
};

}  // namespace

// One GPU, j0 of 1000 s and j1 of 600 s in one group. Taking turns each has 0.98 / 2 of it: j1 ends at 600 / 0.49,
// and j0 has 400 s left, which it does alone.
TEST_CASE("two members of a group on one GPU take turns", "[exec][sharing]") {
  const char* script = "0s j0 run n0:0 group 1\n0s j1 run n0:0 group 1\n";
  const RunResult r = play(script, cluster(1, 1), {{0, 1, 1000}, {0, 1, 600}});
  CHECK(r.jobs[1].finish_s == Approx(600 / 0.49).epsilon(1e-9));
  CHECK(r.jobs[0].finish_s == Approx(600 / 0.49 + 400).epsilon(1e-9));
}

// Three GPUs' worth of one group: j0 on GPUs 0 and 1, j1 on GPU 1, j2 on GPU 1 until it is suspended at 98 s. A gang
// is as fast as on the most crowded of its GPUs: three there until 98 s (0.98 / 3 each, 32.01 s of work), then two.
TEST_CASE("a gang takes turns as on its most crowded GPU, and those that do not run take none", "[exec][sharing]") {
  const char* script =
      "0s j0 run n0:0-1 group 1\n0s j1 run n0:1 group 1\n0s j2 run n0:1 group 1\n98s j2 suspend\n"
      "1000s j2 run n0:1 group 1\n";
  const RunResult r = play(script, cluster(1, 4), {{0, 2, 100}, {0, 1, 200}, {0, 1, 100}});
  const double before = 98 * 0.98 / 3, first = 98 + (100 - before) / 0.49;
  CHECK(r.jobs[0].finish_s == Approx(first).epsilon(1e-9));
  CHECK(r.jobs[1].finish_s == Approx(first + 100).epsilon(1e-9));
  CHECK(r.jobs[2].finish_s == Approx(1000 + 100 - before).epsilon(1e-9));
}

TEST_CASE("slow nodes and turns slow a job down together", "[exec][sharing]") {
  const Script script("0s j0 run n0:0 group 1\n0s j1 run n0:0 group 1\n");
  const Workload w = make_workload({{0, 1, 490}, {0, 1, 490}});
  SimOptions sim;
  sim.failures.stragglers.spells = {{NodeId(0), at_seconds(0), at_seconds(9000), 1'250'000}};
  const RunResult r = run_checked(cluster(1, 1), w, *script.policy, {}, sim);
  CHECK(r.jobs[0].finish_s == Approx(1250).epsilon(1e-6));
}

TEST_CASE("groups never get more out of GPUs than there is", "[exec][sharing]") {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    INFO("seed " << seed);
    const Groups g = random_groups(seed);
    const Script script(g.text);
    const Workload w = make_workload(g.jobs);
    const IdealModel speed;
    InvariantChecker checker(watched(w, speed));
    WorkDone work(w);
    const RunResult r = run_world(cluster(1, 4), w, *script.policy, {}, true, {&checker, &work});
    check_clean(checker);
    CHECK(r.outcome.unfinished == 0);
    CHECK(work.done <= 4 * work.last + 1e-6);
  }
  // All on one GPU: what they do takes at least as long as all of it.
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    RandomStream rng = stream(seed, "tests/sharing/one");
    std::string text;
    std::vector<TinyJob> jobs;
    double all = 0;
    for (int i = 0; i < 5; ++i) {
      jobs.push_back({0, 1, static_cast<std::int64_t>(1 + uniform_below(rng, 500))});
      all += static_cast<double>(jobs.back().duration_s);
      text += fmt::format("0s j{} run n0:0 group 1\n", i);
    }
    INFO("seed " << seed);
    CHECK(play(text, cluster(1, 1), jobs).makespan_s >= all);
  }
}

// An executor that lets members of a group run at full speed where nobody has measured that they can.
TEST_CASE("the checker notices members of a group that run at full speed", "[exec][sharing]") {
  const Script script("0s j0 run n0:0 group 1\n0s j1 run n0:0 group 1\n");
  const Workload w = make_workload({{0, 1, 1000}, {0, 1, 600}});
  const Topology topology(cluster(1, 1));
  for (const bool measured : {false, true}) {
    const Generous generous;
    const IdealModel ideal;
    SimExecutor executor(topology, w, generous, {});
    JobSource source(w.specs, [](const JobSpec& s) { return s.user_estimate; });
    InvariantChecker checker(watched(w, measured ? static_cast<const PerformanceModel&>(generous) : ideal));
    const auto policy = Script("0s j0 run n0:0 group 1\n0s j1 run n0:0 group 1\n").policy.release();
    const std::unique_ptr<Policy> owned(policy);
    Controller controller(executor, *owned, source, w.specs, w.demands, ideal, {}, {&checker});
    CHECK(controller.run().status == RunStatus::completed);
    REQUIRE(checker.ok() == measured);
    if (!measured) CHECK(checker.violations()[0].rule == "work");
  }
}

TEST_CASE("the plan builder refuses what a kind of sharing does not promise", "[sharing]") {
  const Workload w = make_workload({{0, 1, 10}});
  std::vector<JobRecord> records(1);
  records[0].spec = &w.specs[0];
  const Topology topology(cluster(1, 1));
  Inventory planned(topology);
  PlanBuilder plan(records, w.demands, planned);
  plan.begin(Time{});
  Allocation whole, half;
  whole.add({.node = NodeId(0), .gpus = 1});
  half.add({.node = NodeId(0), .milli_per_gpu = 500, .gpus = 1});
  const JobId job(0);
  CHECK_THROWS_AS(plan.run(job, half), AssertionFailed);
  CHECK_THROWS_AS(plan.run(job, half, {}, Sharing::interleaved, GroupId(1)), AssertionFailed);
  CHECK_THROWS_AS(plan.run(job, whole, {}, Sharing::interleaved), AssertionFailed);
  CHECK_THROWS_AS(plan.run(job, whole, {}, Sharing::exclusive, GroupId(1)), AssertionFailed);
  CHECK_THROWS_AS(plan.run(job, half, {}, Sharing::merged, GroupId(1)), AssertionFailed);
  CHECK_THROWS_AS(plan.run(job, whole, {}, Sharing::merged), AssertionFailed);
  CHECK(plan.run(job, half, {}, Sharing::fraction));
  CHECK(plan.run(job, whole, {}, Sharing::interleaved, GroupId(1)));
  CHECK(plan.run(job, whole, {}, Sharing::merged, GroupId(1)));
  CHECK_THROWS_AS(plan.suspend(job), AssertionFailed);
  CHECK(plan.run(job, whole));
}
