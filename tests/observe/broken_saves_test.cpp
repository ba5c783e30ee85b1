// Saves that a stop, a suspension or a failure breaks off: the time a job stood still for them is checkpoint time,
// neither productive nor lost, in the fold of a run and in that of its stored log.
#include <catch2/catch.hpp>

#include <fstream>

#include "sim/core/random.hpp"
#include "sim/observe/log/event_log.hpp"
#include "sim/observe/log/event_log_reader.hpp"
#include "sim/observe/metrics/study.hpp"
#include "tests/support/effort.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/support/world.hpp"

namespace {

using namespace orrery;
using namespace orrery::test;

// GPU-seconds of checkpoints, lost and productive work, by the fold of a run or of its log.
struct Split {
  double checkpoint = 0, lost = 0, productive = 0;
};

// The same by other means. Jobs run at unit rate, so that a job saves `every` after it started or last saved, unless
// it ends before.
class Oracle final : public Observer {
 public:
  Oracle(const Workload& w, const CheckpointModel& saves) : w_(&w), saves_(saves), jobs_(w.specs.size()) {}
  void on_event(const Event& e) override {
    if (!e.job.valid()) return;
    Job& j = jobs_[e.job.index()];
    const auto gpus = static_cast<double>(w_->specs[e.job.index()].demand.gpus);
    switch (e.kind()) {
      case EventKind::started:
      case EventKind::resumed:
        j.from = e.at;
        j.runs = true;
        break;
      case EventKind::checkpointed:
        split.checkpoint += gpus * to_seconds(saves_.cost);
        j.unsaved += e.at - j.from - saves_.cost;
        j.done += j.unsaved;
        j.unsaved = Duration{};
        j.from = e.at;
        break;
      case EventKind::stop:
      case EventKind::suspend:
      case EventKind::failed: {
        if (j.runs) {
          const Duration ran = e.at - j.from;
          const Duration left = Duration{w_->truths[e.job.index()].work.ns} - j.done - j.unsaved;
          const bool saving = saves_.every.ns > 0 && left > saves_.every && ran > saves_.every;
          split.checkpoint += saving ? gpus * to_seconds(ran - saves_.every) : 0;
          broken += saving ? 1 : 0;
          j.unsaved += saving ? saves_.every : ran;
        }
        j.runs = false;
        if (e.kind() == EventKind::failed) split.lost += gpus * to_seconds(j.unsaved);
        if (e.kind() == EventKind::failed) j.unsaved = Duration{};
        break;
      }
      case EventKind::stopped:
        j.done += j.unsaved;
        j.unsaved = Duration{};
        break;
      case EventKind::finished:
        split.productive += gpus * to_seconds(Duration{w_->truths[e.job.index()].work.ns});
        break;
      default: break;
    }
  }
  Split split;
  int broken = 0;

 private:
  struct Job {
    Time from{};
    Duration done{}, unsaved{};
    bool runs = false;
  };
  const Workload* w_;
  CheckpointModel saves_;
  std::vector<Job> jobs_;
};

Split split_of(const StudyFold& study, const MetricsFold& base) {
  const StudySummary s = study.summary(base);
  return {*s.checkpoint_gpu_s, *s.lost_gpu_s, *s.productive_gpu_s};
}

void check_equal(const Split& a, const Split& b) {
  CHECK(a.checkpoint == Approx(b.checkpoint).margin(1e-6));
  CHECK(a.lost == Approx(b.lost).margin(1e-6));
  CHECK(a.productive == Approx(b.productive).margin(1e-6));
}

struct Folds {
  MetricsFold base;
  StudyFold study;
  Folds(const std::shared_ptr<const JobTable>& table, const Workload& w, const Topology& topology)
      : base(table, gpus_by_node(topology)), study(table, make_study_inputs(w.specs, topology)) {}
};

// Both folds of one stream.
class Both final : public Observer {
 public:
  explicit Both(Folds& f) : f_(&f) {}
  void on_event(const Event& e) override {
    f_->base.on_event(e);
    f_->study.on_event(e);
  }
  void on_end(Time now) override {
    f_->base.on_end(now);
    f_->study.on_end(now);
  }

 private:
  Folds* f_;
};

// Runs it, and compares the fold, the fold of the log and the oracle. How many saves were broken off?
int compare(const Workload& w, int nodes, Policy& policy, const SimOptions& sim, Split* out = nullptr) {
  const Topology topology(cluster(nodes, 4));
  std::vector<JobRecord> records(w.specs.size());
  for (std::size_t i = 0; i < records.size(); ++i) records[i].spec = &w.specs[i];
  const auto table = std::make_shared<const JobTable>(make_job_table(records));
  Folds folds(table, w, topology), again(table, w, topology);
  Both live(folds), stored(again);
  Oracle oracle(w, sim.checkpoints);
  const IdealModel speed;
  InvariantChecker checker(watched(w, speed, sim));
  const TempFolder dir;
  EventLog log(table, gpus_by_node(topology), {dir.file("events.jsonl.zst")});
  const RunResult r = run_world(cluster(nodes, 4), w, policy, sim, false, {&live, &oracle, &checker, &log});
  check_clean(checker);
  CHECK(r.outcome.unfinished == 0);
  REQUIRE(log.close());
  REQUIRE(read_event_log(dir.file("events.jsonl.zst"), stored));
  check_equal(split_of(folds.study, folds.base), oracle.split);
  check_equal(split_of(again.study, again.base), oracle.split);
  if (out != nullptr) *out = oracle.split;
  return oracle.broken;
}

// Stops (or suspends and resumes) job 0 at a second.
class StopsAt final : public Policy {
 public:
  StopsAt(std::int64_t at_s, bool suspends) : at_(at_seconds(at_s)), suspends_(suspends) {}
  void schedule(const ClusterView& view, PlanBuilder& plan) override {
    if (view.now < at_) plan.wake_at(at_);
    const bool now = view.now >= at_ && !stopped_;
    if (now && view.job(JobId(0)).state == JobState::running) {
      stopped_ = true;
      const Allocation where = *plan.planned(JobId(0));
      if (suspends_) plan.suspend(JobId(0));
      if (!suspends_) plan.preempt(JobId(0));
      plan.wake_at(view.now + seconds(50));
      return;
    }
    if (stopped_ && view.now < at_ + seconds(50)) return plan.wake_at(at_ + seconds(50));
    if (suspends_ && stopped_ && plan.planned(JobId(0)) != nullptr)
      plan.run(JobId(0), Allocation(*plan.planned(JobId(0))));
    for (const JobView& v : view.pending()) plan.start(v.id(), *placement_);
  }

 private:
  std::unique_ptr<Placement> placement_ = make_placement("count", 1);
  Time at_;
  bool suspends_ = false, stopped_ = false;
};

}  // namespace

// A job of 250 s saves after 100 s for 20 s: at 110 it is in the middle of it, with 100 s of work done.
TEST_CASE("a save that is broken off is checkpoint time, whatever breaks it off", "[study][work]") {
  const Workload w = make_workload({{0, 2, 250}});
  SimOptions sim;
  sim.checkpoints = {seconds(100), seconds(20)};
  for (const bool suspends : {false, true}) {
    INFO((suspends ? "suspended" : "stopped"));
    StopsAt policy(110, suspends);
    Split split;
    CHECK(compare(w, 1, policy, sim, &split) == 1);
    CHECK(split.checkpoint == 2 * (10 + 20));  // the one broken off, and one after 100 of the 150 s that are left
    CHECK(split.lost == 0);
    CHECK(split.productive == 2 * 250);
  }
  sim.failures.outages = {{NodeId(0), at_seconds(110), at_seconds(200)}};
  const auto fifo = make_policy(PolicyChoice{"fifo"});
  Split split;
  CHECK(compare(w, 1, *fifo, sim, &split) == 1);
  CHECK(split.checkpoint == 2 * (10 + 20 + 20));  // two when it does its 250 s again
  CHECK(split.lost == 2 * 100);
  CHECK(split.productive == 2 * 250);
}

// As above, but a stop takes 10 s, and the node fails in the middle of it.
TEST_CASE("a save that a stop broke off is checkpoint time, also when the stop is cut short", "[study][work]") {
  const Workload w = make_workload({{0, 2, 250}});
  SimOptions sim;
  sim.checkpoints = {seconds(100), seconds(20)};
  sim.overheads.stop = seconds(10);
  sim.failures.outages = {{NodeId(0), at_seconds(115), at_seconds(150)}};
  StopsAt policy(110, false);
  Split split;
  CHECK(compare(w, 1, policy, sim, &split) == 1);
  CHECK(split.checkpoint == 2 * (10 + 20 + 20));
  CHECK(split.lost == 2 * 100);
  CHECK(split.productive == 2 * 250);
}

// Told to save at 12 s, for 10 s: done by then are 12 s, which a failure at 30 s leaves; a stop at 15 s breaks it
// off.
TEST_CASE("a save that was asked for is checkpoint time, too", "[study][work]") {
  struct Case {
    const char* script;
    bool fails;
    Split split;
  };
  for (const Case& c :
       {Case{"0s j0 run\n12s j0 checkpoint\n", false, {2 * 10, 0, 2 * 100}},
        Case{"0s j0 run\n12s j0 checkpoint\n41s j0 run\n", true, {2 * 10, 2 * 8, 2 * 100}},
        Case{"0s j0 run\n12s j0 checkpoint\n15s j0 preempt\n25s j0 run\n", false, {2 * 3, 0, 2 * 100}}}) {
    INFO(c.script << (c.fails ? "fails" : ""));
    const TempFolder dir;
    std::ofstream(dir.file("script")) << c.script;
    const Workload w = make_workload({{0, 2, 100}});
    SimOptions sim;
    sim.checkpoints = {Duration{}, seconds(10)};
    if (c.fails) sim.failures.outages = {{NodeId(0), at_seconds(30), at_seconds(40)}};
    const Topology topology(cluster(1, 4));
    std::vector<JobRecord> records(1);
    records[0].spec = &w.specs[0];
    Folds folds(std::make_shared<const JobTable>(make_job_table(records)), w, topology);
    Both both(folds);
    const auto policy = make_policy({"scripted", "count", {{"file", dir.file("script")}}});
    (void)run_world(cluster(1, 4), w, *policy, sim, false, {&both});
    check_equal(split_of(folds.study, folds.base), c.split);
  }
}

TEST_CASE("checkpoints, lost and productive time of random worlds", "[study][work]") {
  int broken = 0;
  for (std::uint64_t seed = 1; seed <= share_of(60U); ++seed) {
    INFO("seed " << seed);
    RandomStream rng = stream(seed, "tests/broken_saves");
    std::vector<TinyJob> jobs;
    for (int i = 0; i < 10; ++i)
      jobs.push_back({static_cast<std::int64_t>(60 * i), static_cast<std::int32_t>(1 + uniform_below(rng, 4)),
                      static_cast<std::int64_t>(1 + uniform_below(rng, 900))});
    SimOptions sim;
    sim.checkpoints = {seconds(static_cast<std::int64_t>(20 + uniform_below(rng, 100))),
                       seconds(static_cast<std::int64_t>(1 + uniform_below(rng, 60)))};
    sim.overheads.launch = seconds(static_cast<std::int64_t>(uniform_below(rng, 10)));
    sim.overheads.stop = seconds(static_cast<std::int64_t>(uniform_below(rng, 10)));
    sim.failures = {seconds(600), seconds(100), seed};
    static constexpr const char* kPolicies[] = {"srtf", "las", "gandiva", "fifo"};
    const auto policy = make_policy(PolicyChoice{kPolicies[seed % 4]});
    broken += compare(make_workload(jobs), 2, *policy, sim);
  }
  CHECK(broken > share_of(100));
}
