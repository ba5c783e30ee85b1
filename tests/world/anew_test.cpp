// A job that begins anew: it drops what it has done, and starts as one that has done nothing. What it had done is
// counted as lost; its standing target does not say so twice; and what children's first epochs show.
#include <fstream>

#include "sim/models/lifecycle/first_epoch.hpp"
#include "sim/observe/metrics/study.hpp"
#include "sim/world/chaos_executor.hpp"
#include "tests/support/chaos_world.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/support/world.hpp"

namespace {

using namespace orrery;
using namespace orrery::test;

// What is said of versions and of launches.
class AnewSaid final : public Observer {
 public:
  void on_event(const Event& e) override {
    const auto* launch = e.get_if<event::Launch>();
    const auto* inherited = e.get_if<event::Inherited>();
    const auto* assessed = e.get_if<event::Assessed>();
    if (launch != nullptr && launch->anew) note(e, "anew");
    if (inherited != nullptr)
      note(e, fmt::format("inherits {} of j{}", inherited->saved.ns / kNsPerSecond, inherited->parent.value));
    if (assessed != nullptr)
      note(e, fmt::format("worth {} +- {} beside j{}", assessed->worth, assessed->error, assessed->parent.value));
    if (e.kind() == EventKind::finished) note(e, "done");
  }
  std::string text;

 private:
  void note(const Event& e, const std::string& what) {
    text += fmt::format("{} j{} {}\n", to_seconds(e.at), e.job.value, what);
  }
};

struct Anew {
  RunResult run;
  std::string said;
  StudySummary study;
};

Anew begun_anew(const std::string& script, const Workload& w, SimOptions sim = {}) {
  const TempFolder dir;
  std::ofstream(dir.file("script")) << script;
  const auto policy = make_policy({"scripted", "count", {{"file", dir.file("script")}}});
  const std::vector<NodeGroup> groups = cluster(1, 4);
  const Topology topology(groups);
  const IdealModel speed;
  SimExecutor executor(topology, w, speed, sim);
  JobSource source(w.specs, [](const JobSpec& s) { return s.user_estimate; });
  InvariantChecker checker(watched(w, speed, sim));
  AnewSaid said;
  std::vector<JobRecord> records(w.specs.size());
  for (const JobSpec& s : w.specs) records[s.id.index()].spec = &s;
  const auto table = std::make_shared<const JobTable>(make_job_table(records));
  MetricsFold base(table, gpus_by_node(topology));
  StudyFold study(table, make_study_inputs(w.specs, topology));
  ControllerOptions options;
  options.check_views = true;
  Controller controller(executor, *policy, source, w.specs, w.demands, speed, options,
                        {&checker, &said, &base, &study});
  Anew a;
  a.run.outcome = controller.run();
  check_clean(checker);
  for (const JobRecord& r : controller.state().records()) {
    CHECK_FALSE(r.held_config.anew);
    a.run.jobs.push_back({0, to_seconds(r.since), r.preemptions, r.state});
  }
  a.said = said.text;
  a.study = study.summary(base);
  return a;
}

// j1 of 1000 s from its base, 1500 s from j0 (100 s), ten epochs.
Workload slower_child() {
  Workload w = make_workload({{0, 1, 100}, {0, 1, 1000}});
  w.specs[1].after = {{JobId(0), true, 1000}};
  w.truths[1].sources = {{JobId(0), -500}};
  w.truths[1].epochs = 10;
  return w;
}

SimOptions no_error() {
  SimOptions sim;
  sim.assess.error = 0;
  return sim;
}

}  // namespace

// 40 s are lost, 100 s are done after that.
TEST_CASE("anew: a job drops what it has done", "[exec][anew]") {
  const Anew a = begun_anew("0s j0 run n0:0\n40s j0 run n0:0 anew\n", make_workload({{0, 1, 100}}));
  CHECK(a.said == "40 j0 anew\n140 j0 done\n");
  CHECK(a.run.jobs[0].preemptions == 1);
  CHECK(*a.study.lost_gpu_s == Approx(40));
  CHECK(*a.study.productive_gpu_s == Approx(100));
}

// It saves every 30 s, without cost. At 70 s, 60 are safe: dropped all the same. It fails at 100 s with nothing saved
// since (30 s), and goes on from there: nobody drops that. Stopping takes no time, as it is killed.
TEST_CASE("anew: what was saved is dropped, what is saved since is kept", "[exec][anew]") {
  SimOptions sim;
  sim.checkpoints.every = seconds(30);
  sim.overheads.stop = seconds(20);
  sim.failures.outages = {{NodeId(0), at_seconds(110), at_seconds(115)}};
  const Anew a = begun_anew("0s j0 run n0:0\n70s j0 run n0:0 anew\n", make_workload({{0, 1, 100}}), sim);
  CHECK(a.said == "70 j0 anew\n185 j0 done\n");  // 70 + 40, of which 30 are safe; 115 + 70
  CHECK(*a.study.lost_gpu_s == Approx(70 + 10));
  CHECK(*a.study.productive_gpu_s == Approx(100));
}

// Told twice, it drops twice: a standing target that has been carried out says nothing.
TEST_CASE("anew: a job can begin anew again, and stops with its own work otherwise", "[exec][anew]") {
  const Anew a =
      begun_anew("0s j0 run n0:0\n40s j0 run n0:0 anew\n60s j0 run n0:0 anew\n80s j0 preempt\n90s j0 run n0:1\n",
                 make_workload({{0, 1, 100}}));
  CHECK(a.said == "40 j0 anew\n60 j0 anew\n170 j0 done\n");  // 60 to 80, 90 to 170
  CHECK(*a.study.lost_gpu_s == Approx(60));
}

TEST_CASE("a child's first epoch is compared with one from its base checkpoint", "[exec][anew][lineage]") {
  const Anew a = begun_anew("0s j0 run n0:0\n0s j1 run n0:1\n", slower_child(), no_error());
  CHECK(a.said == "100 j0 done\n100 j1 inherits -500 of j0\n200 j1 worth 666667 +- 1 beside j0\n1600 j1 done\n");
  CHECK(*a.study.lost_gpu_s == 0);
  // Nobody compares where the trace counts no epochs, nor a child that ends before its first one does.
  Workload silent = slower_child();
  silent.truths[1].epochs = 0;
  CHECK(begun_anew("0s j0 run n0:0\n0s j1 run n0:1\n", silent, no_error()).said.find("worth") == std::string::npos);
  silent.truths[1].epochs = 1;
  silent.truths[1].sources = {{JobId(0), 500}};
  CHECK(begun_anew("0s j0 run n0:0\n0s j1 run n0:1\n", silent, no_error()).said.find("worth") == std::string::npos);
}

// Stopped in the middle of its first epoch it goes on; it stands still to save. 100 + 50, 160 to 210 with 10 s for a
// save at 180: the epoch ends at 220.
TEST_CASE("a child's first epoch is told of once, whatever comes between", "[exec][anew][lineage]") {
  SimOptions sim = no_error();
  sim.checkpoints.cost = seconds(10);
  const Anew a = begun_anew("0s j0 run n0:0\n0s j1 run n0:1\n150s j1 preempt\n160s j1 run n0:2\n180s j1 checkpoint\n",
                            slower_child(), sim);
  CHECK(a.said.find("220 j1 worth 666667") != std::string::npos);
  CHECK(a.said.find("worth") == a.said.rfind("worth"));
}

// Begun anew from its base it inherits nothing, and nobody compares; from the parent it does again.
TEST_CASE("anew: what it starts from is chosen again", "[exec][anew][lineage]") {
  const Anew base =
      begun_anew("0s j0 run n0:0\n0s j1 run n0:1\n250s j1 run n0:1 anew from base\n", slower_child(), no_error());
  CHECK(base.said ==
        "100 j0 done\n100 j1 inherits -500 of j0\n200 j1 worth 666667 +- 1 beside j0\n250 j1 anew\n1250 j1 done\n");
  CHECK(*base.study.lost_gpu_s == Approx(150));
  CHECK_FALSE(base.study.transfer_saved_gpu_s);
  const Anew again =
      begun_anew("0s j0 run n0:0\n0s j1 run n0:1\n250s j1 run n0:1 anew from j0:1\n", slower_child(), no_error());
  CHECK(again.said.find("250 j1 anew\n250 j1 inherits -500 of j0\n350 j1 worth 666667") != std::string::npos);
  CHECK(again.run.jobs[1].finish_s == 1750);
}

TEST_CASE("what an epoch is worth is base / left, and a normal error that is the same for every policy",
          "[anew][lineage]") {
  CHECK(measured_worth({1, 0}, JobId(1), JobId(0), Work{1000}, Work{1500}).worth == 666'667);
  CHECK(measured_worth({1, 0}, JobId(1), JobId(0), Work{1000}, Work{500}).worth == 2'000'000);
  CHECK(epoch_work({Work{1000}, {}, 10}).ns == 100);
  CHECK(epoch_work({Work{1000}, {}}).ns == 0);
  const AssessModel model;
  double sum = 0, squares = 0;
  constexpr std::uint32_t kJobs = 4000;
  for (std::uint32_t j = 0; j < kJobs; ++j) {
    const EpochWorth seen = measured_worth(model, JobId(j), JobId(0), Work{1000}, Work{2000});
    CHECK(seen.error == 100'000);
    CHECK(seen.worth == measured_worth(model, JobId(j), JobId(0), Work{1000}, Work{2000}).worth);
    const double off = static_cast<double>(seen.worth) / 1e6 - 0.5;
    sum += off;
    squares += off * off;
  }
  CHECK(sum / kJobs == Approx(0).margin(0.006));  // 4 standard errors
  CHECK(std::sqrt(squares / kJobs) == Approx(0.1).epsilon(0.05));
  // Beyond one epoch the error grows with what is found.
  CHECK(measured_worth(model, JobId(0), JobId(1), Work{1000}, Work{250}).error == 400'000);
}

// Jobs begin anew at random moments while launches fail, nodes go down and stops are late: what the control plane
// believes, the checker reckons and the world does stays the same.
TEST_CASE("anew: under chaos nothing is dropped twice, and nothing comes back", "[exec][anew][chaos]") {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    INFO("seed " << seed);
    RandomStream rng = stream(seed, "anew");
    std::string script;
    std::vector<TinyJob> jobs;
    for (int i = 0; i < 4; ++i) {
      jobs.push_back({0, 1, static_cast<std::int64_t>(50 + uniform_below(rng, 300))});
      script += fmt::format("0s j{} run n0:{}\n", i, i);
      for (std::int64_t t = 0; uniform_below(rng, 3) > 0;) {
        t += 1 + static_cast<std::int64_t>(uniform_below(rng, 120));
        script += fmt::format("{}s j{} run n0:{} anew\n", t, i, i);
      }
    }
    const TempFolder dir;
    std::ofstream(dir.file("script")) << script;
    const auto policy = make_policy({"scripted", "count", {{"file", dir.file("script")}}});
    const Workload w = make_workload(jobs);
    const Topology topology(cluster(1, 4));
    const IdealModel speed;
    SimOptions sim;
    sim.overheads.launch = seconds(3);
    sim.overheads.stop = seconds(2);
    sim.checkpoints.every = seconds(20);
    SimExecutor executor(topology, w, speed, sim);
    Chaos chaos(seed);
    for (std::size_t s = 0; s < kChaosSites; ++s) chaos.activate(static_cast<ChaosSite>(s), true);
    ChaosExecutor outer(executor, chaos, {.pace = seconds(15), .node_failures = 4});
    JobSource source(w.specs, [](const JobSpec& s) { return s.user_estimate; });
    InvariantOptions options = watched(w, speed, sim);
    options.world.prompt = false;
    options.allow_unfinished = true;
    InvariantChecker checker(options);
    ControllerOptions control;
    control.check_views = true;
    control.retry_budget = 1000;
    Controller controller(outer, *policy, source, w.specs, w.demands, speed, control, {&checker});
    (void)controller.run();
    check_clean(checker);
    for (const JobRecord& r : controller.state().records()) CHECK(r.state == JobState::finished);
  }
}

// Of what the control plane knows at 150 s, in the middle of the first epoch: it ends at 200 s all the same, and what
// is begun anew at 250 s starts from the base.
TEST_CASE("a world that begins in the middle of a first epoch goes on as the other would have",
          "[exec][anew][lineage]") {
  const TempFolder dir;
  std::ofstream(dir.file("script"))
      << "0s j0 run n0:0\n0s j1 run n0:1\n150s j0 preempt\n250s j1 run n0:1 anew from base\n";
  const auto policy = make_policy({"scripted", "count", {{"file", dir.file("script")}}});
  const Workload w = slower_child();
  const Topology topology(cluster(1, 4));
  const IdealModel speed;
  SimExecutor executor(topology, w, speed, no_error());
  JobSource source(w.specs, [](const JobSpec& s) { return s.user_estimate; });
  Controller controller(executor, *policy, source, w.specs, w.demands, speed, {}, {});
  controller.begin();
  while (executor.now() < at_seconds(150) && controller.step()) {
  }
  WorldState state = controller.world();
  const auto goes_on = policy->clone();
  SimExecutor middle(topology, w, speed, no_error(), state.cluster, state.now);
  AnewSaid said;
  ControllerOptions options;
  options.check_views = true;
  Controller twin(middle, *goes_on, state, options, {&said});
  CHECK(twin.run().status == RunStatus::completed);
  CHECK(said.text == "200 j1 worth 666667 +- 1 beside j0\n250 j1 anew\n1250 j1 done\n");
}
