// The unchanged controller over real processes: what policies do with gangs, what becomes of them under faults, and
// that the same batches lead a fresh policy to the same decisions. A second of wall clock is 20 s of the run.
#include "backend/live/live_executor.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <thread>

#include "backend/engine/local/local_engine.hpp"
#include "backend/protocol/checkpoint_dir.hpp"
#include "sim/control/replay_executor.hpp"
#include "sim/core/random.hpp"
#include "sim/observe/metrics/study.hpp"
#include "tests/support/live_world.hpp"

namespace {

using namespace orrery;
using namespace orrery::test;

struct LiveResult {
  RunOutcome outcome;
  Diary diary;
  std::vector<JobRecord> records;
  std::vector<live::LiveExecutor::Launch> launches;
};

// Runs it under the invariant checker, then replays its batches: both must agree in every decision.
LiveResult run_live(const LiveWorld& world, const std::vector<Observer*>& observers = {}) {
  const Topology topology(world.groups);
  const IdealModel model;
  LiveResult r;
  Recording recording;
  const auto controller_options = [&world] {
    ControllerOptions o;
    o.retry_budget = world.retry_budget;
    o.check_views = true;
    return o;
  };
  const auto estimate = [](const JobSpec& s) { return s.user_estimate; };
  {
    const auto executor = live_executor(world, topology, model);
    RecordingExecutor recorder(*executor, recording);
    const auto policy = make_policy(world.policy);
    JobSource source(world.workload.specs, estimate);
    InvariantChecker checker;
    std::vector<Observer*> all{&checker, &r.diary};
    all.insert(all.end(), observers.begin(), observers.end());
    Controller controller(recorder, *policy, source, world.workload.specs, world.workload.demands, model,
                          controller_options(), all);
    r.outcome = controller.run();
    r.records = controller.state().records();
    r.launches = executor->launches();
    for (const Violation& v : checker.violations())
      FAIL_CHECK("invariant " << v.rule << " at " << to_seconds(v.at) << " s: " << v.text);
  }
  ReplayExecutor executor(topology, recording);
  const auto policy = make_policy(world.policy);
  JobSource source(world.workload.specs, estimate);
  Diary again;
  Controller controller(executor, *policy, source, world.workload.specs, world.workload.demands, model,
                        controller_options(), {&again});
  (void)controller.run();
  CHECK(again.plans == r.diary.plans);
  for (std::size_t i = 0; i < r.records.size(); ++i)
    CHECK(controller.state().records()[i].cpu_per_sample == r.records[i].cpu_per_sample);
  CHECK_FALSE(again.plans.empty());
  return r;
}

}  // namespace

TEST_CASE("live: srtf preempts a running gang, which goes on where it was", "[live]") {
  LiveWorld w;
  w.groups = cluster(1, 2);
  w.workload = make_workload({{0, 2, 30}, {10, 1, 8}, {10, 2, 4}});
  w.policy = {"srtf"};
  const LiveResult r = run_live(w);
  CHECK(r.outcome.status == RunStatus::completed);
  for (const JobRecord& j : r.records) CHECK(j.state == JobState::finished);
  CHECK(r.records[0].preemptions == 1);
  CHECK(r.diary.count(EventKind::launch, 0) == 2);
  // No work is done twice: 30 s of it, and the wait for the others.
  CHECK(to_seconds(r.records[0].ran_before) == Approx(30).margin(3));
}

TEST_CASE("live: preempted, resized and resumed by a script", "[live]") {
  LiveWorld w;
  use_script(w, "0s j0 run n0:0-3\n8s j0 preempt\n12s j0 run n0:0-1\n20s j0 run n0:0-3\n", {{0, 4, 24}});
  w.workload.specs[0].min_gpus = 1;
  const LiveResult r = run_live(w);
  CHECK(r.records[0].state == JobState::finished);
  REQUIRE(r.launches.size() == 3);
  CHECK(r.diary.count(EventKind::stopped, 0) == 2);
  // Eight seconds on four GPUs, as long at half the speed on two, the rest on four again.
  CHECK(to_seconds(Duration{r.launches[1].done.ns}) == Approx(4).margin(2));
  Work all{};
  for (const auto& l : r.launches) all.ns += l.done.ns;
  CHECK(to_seconds(Duration{all.ns}) == Approx(24).margin(0.5));
}

namespace {

// GPU time of checkpoints, by the fold that makes a run's metrics.
class CheckpointTime final : public Observer {
 public:
  explicit CheckpointTime(const LiveWorld& w)
      : topology_(w.groups),
        records_(records_of(w)),
        table_(std::make_shared<const JobTable>(make_job_table(records_))),
        base_(table_, gpus_by_node(topology_)),
        study_(table_, make_study_inputs(w.workload.specs, topology_)) {}
  void on_event(const Event& e) override {
    base_.on_event(e);
    study_.on_event(e);
  }
  void on_end(Time now) override {
    base_.on_end(now);
    study_.on_end(now);
  }
  [[nodiscard]] double gpu_s() const { return study_.summary(base_).checkpoint_gpu_s.value_or(-1); }

 private:
  static std::vector<JobRecord> records_of(const LiveWorld& w) {
    std::vector<JobRecord> records(w.workload.specs.size());
    for (std::size_t i = 0; i < records.size(); ++i) records[i].spec = &w.workload.specs[i];
    return records;
  }
  Topology topology_;
  std::vector<JobRecord> records_;
  std::shared_ptr<const JobTable> table_;
  MetricsFold base_;
  StudyFold study_;
};

}  // namespace

// A job of 24 s saves every 10 s, for 20 s: 20 s after it started it has stood still for 10 s. What a worker says of
// it makes the events of the simulator, whose numbers are in broken_saves_test.
TEST_CASE("live: a save that a stop, a suspension or a death breaks off is checkpoint time", "[live]") {
  for (const char* how : {"preempt", "suspend", "killed"}) {
    INFO(how);
    LiveWorld w;
    const bool killed = std::string(how) == "killed";
    use_script(w, killed ? "" : fmt::format("0s j0 run n0:0\n24s j0 {}\n50s j0 run n0:0\n", how), {{0, 1, 24}});
    w.groups = cluster(1, 1);
    if (killed) w.policy = {"fifo"};
    w.checkpoints = {seconds(10), seconds(20)};
    bool doomed = false;
    if (killed)
      w.see = [&doomed](WatchedEngine& engine, const EngineEvent& e) {
        if (e.kind != EngineEvent::Kind::said || !std::holds_alternative<live::Saving>(e.message)) return;
        if (std::exchange(doomed, true)) return;
        engine.after(milliseconds(500), [rank = engine.processes(e.gang).at(0)] { kill_rank(rank); });
      };
    CheckpointTime time(w);
    const LiveResult r = run_live(w, {&time});
    REQUIRE(r.records[0].state == JobState::finished);
    const EventKind kind = killed                          ? EventKind::failed
                           : std::string(how) == "suspend" ? EventKind::suspended
                                                           : EventKind::stopped;
    double told = -1, saved = 0;
    for (const Event& e : r.diary.events) {
      if (e.kind() == kind && told < 0) {
        const auto* failed = e.get_if<event::Failed>();
        const auto* suspended = e.get_if<event::Suspended>();
        told = to_seconds(failed != nullptr      ? failed->broken_off
                          : suspended != nullptr ? suspended->broken_off
                                                 : e.get<event::Stopped>().broken_off);
      }
      if (const auto* checkpointed = e.get_if<event::Checkpointed>()) saved += to_seconds(checkpointed->stood_still);
    }
    const double began = r.diary.when(EventKind::started, 0) + 10;
    CHECK(told == Approx(killed ? 10 : 24 - began).margin(3));
    CHECK(told > 0);
    CHECK(time.gpu_s() == Approx(told + saved));
    if (kind == EventKind::suspended) CHECK(told + saved == Approx(20 * r.diary.count(EventKind::checkpointed)));
  }
}

TEST_CASE("live: suspended on its GPUs while another of its group runs there", "[live]") {
  LiveWorld w;
  // Times enough for a process that starts late: one that is told to stand still before it is ready ends instead.
  use_script(w, "0s j0 run n0:0 group 1\n15s j0 suspend\n15s j1 run n0:0 group 1\n35s j0 run n0:0 group 1\n",
             {{0, 1, 25}, {0, 1, 5}});
  w.groups = cluster(1, 1);
  const LiveResult r = run_live(w);
  for (const JobRecord& j : r.records) CHECK(j.state == JobState::finished);
  CHECK(r.launches.size() == 2);  // a job that is suspended keeps its processes
  CHECK(r.diary.count(EventKind::suspended, 0) == 1);
  CHECK(r.diary.count(EventKind::resumed, 0) == 1);
  CHECK(r.diary.when(EventKind::finished, 1) < r.diary.when(EventKind::resumed, 0) + 1);
  CHECK(r.diary.when(EventKind::finished, 0) > 43);
}

TEST_CASE("live: gandiva's time slices", "[live]") {
  LiveWorld w;
  w.groups = cluster(1, 1);
  w.workload = make_workload({{0, 1, 15}, {0, 1, 15}, {0, 1, 15}});
  w.policy = {"gandiva", "count", {{"quantum", "[5s]"}}};
  const LiveResult r = run_live(w);
  for (const JobRecord& j : r.records) CHECK(j.state == JobState::finished);
  CHECK(r.diary.count(EventKind::suspended) >= 4);
  for (const auto& l : r.launches) CHECK(to_seconds(l.ran) == Approx(15).margin(3));  // without what it stood still
}

TEST_CASE("live: two jobs at once on one slot, half of it each", "[live]") {
  LiveWorld w;
  w.groups = cluster(1, 1);
  w.workload = make_workload({{0, 1, 10}, {0, 1, 10}});
  half_a_gpu_each(w.workload);
  w.policy = {"fifo", "spread"};
  const LiveResult r = run_live(w);
  for (const JobRecord& j : r.records) CHECK(j.state == JobState::finished);
  CHECK(r.diary.when(EventKind::launch, 1) < 1);
  CHECK(r.diary.when(EventKind::finished, 0) > r.diary.when(EventKind::started, 1));
}

TEST_CASE("live: a child starts when its parent has finished", "[live]") {
  LiveWorld w;
  w.workload = make_workload({{0, 1, 8}, {0, 1, 4}});
  w.workload.specs[1].after.push_back({.parent = JobId(0)});
  const LiveResult r = run_live(w);
  for (const JobRecord& j : r.records) CHECK(j.state == JobState::finished);
  CHECK(r.diary.when(EventKind::launch, 1) >= r.diary.when(EventKind::finished, 0));
}

TEST_CASE("live: a rank or a whole gang killed at random moments costs a retry, never a slot", "[live]") {
  constexpr int kJobs = 12;
  int kills = 0;
  LiveWorld w;
  std::vector<TinyJob> jobs;
  // Long enough that none is done before its signal comes: at most three messages after it is ready.
  for (int j = 0; j < kJobs; ++j) jobs.push_back({j, 1 + j % 2, 40});
  w.workload = make_workload(jobs);
  w.checkpoints.every = seconds(2);
  w.retry_budget = kJobs;  // the same job may be hit again
  RandomStream rng = stream(7, "tests/live/kills");
  std::map<std::uint64_t, int> steps_to_live;
  std::map<std::uint64_t, bool> whole;
  w.see = [&](Engine& engine, const EngineEvent& e) {
    if (is_ready(e) && e.gang.value <= kJobs) {
      steps_to_live[e.gang.value] = static_cast<int>(uniform_below(rng, 3));
      whole[e.gang.value] = uniform_below(rng, 2) == 0;
    }
    const auto it = steps_to_live.find(e.gang.value);
    if (e.kind != EngineEvent::Kind::said || it == steps_to_live.end() || it->second-- > 0) return;
    steps_to_live.erase(it);
    const auto processes = engine.processes(e.gang);
    for (const live::ProcessHandle& p : processes) {
      kill_rank(p);
      if (!whole[e.gang.value]) break;
    }
    ++kills;
  };
  const LiveResult r = run_live(w);
  CHECK(r.outcome.status == RunStatus::completed);
  for (const JobRecord& j : r.records) CHECK(j.state == JobState::finished);
  CHECK(kills == kJobs);
  CHECK(r.diary.count(EventKind::failed) == kills);
  std::printf("live: %d gangs killed, each finished by its next launch\n", kills);
}

TEST_CASE("live: a worker that never works is given up when its budget is spent", "[live]") {
  LiveWorld w;
  w.workload = make_workload({{0, 1, 5}, {0, 4, 5}});
  w.worker = {"/bin/sh", "-c", "echo what is this; exit 3", "worker"};
  w.retry_budget = 2;
  const LiveResult r = run_live(w);
  for (const JobRecord& j : r.records) {
    CHECK(j.state == JobState::failed);
    CHECK(j.incarnation == 3);
  }
  CHECK(r.launches.size() == 6);
}

TEST_CASE("live: what a worker says of preprocessing reaches the policy's view, the tables and a replay", "[live]") {
  LiveWorld w;
  w.workload = make_workload({{0, 1, 5}, {0, 1, 5}});
  // The first measures, and says nothing where it prepared nothing; the second is an older worker.
  w.worker = {"/bin/sh", "-c",
              "echo hello 2 fake; read start; echo ready 0 0; case $start in *'\"job\":\"0\"'*) "
              "echo step 1 1 9 30000; echo step 2 2 9; echo step 3 3 9 31000; echo step 5 5 9 32000;; "
              "*) echo step 1 1 9;; esac; echo done 5",
              "worker"};
  const LiveResult r = run_live(w);
  for (const JobRecord& j : r.records) CHECK(j.state == JobState::finished);
  // Steps 1, 3 and, for two, 5: the mean is told again when the launch ends.
  CHECK(r.records[0].cpu_per_sample == Duration{31250});
  CHECK(r.records[1].cpu_per_sample == Duration{});
  CHECK(r.diary.count(EventKind::preprocessing, 0) == 2);
  CHECK(r.diary.count(EventKind::preprocessing, 1) == 0);
  const ClusterView view(ViewTables{.records = &r.records});
  CHECK(view.job(JobId(0)).cpu_per_sample == Duration{31250});
}

TEST_CASE("live: a damaged checkpoint is passed over for the one before", "[live]") {
  LiveWorld w;
  use_script(w, "0s j0 run n0:0\n10s j0 preempt\n14s j0 run n0:0\n", {{0, 1, 16}});
  w.groups = cluster(1, 1);
  w.checkpoints.every = seconds(2);
  std::int64_t damaged = 0;
  w.see = [&](Engine&, const EngineEvent& e) {
    if (e.kind != EngineEvent::Kind::gone || damaged > 0) return;
    const auto newest = live::load_checkpoint(w.folder.file("jobs/0/checkpoints")).newest;
    REQUIRE(newest);
    damaged = newest->checkpoint.stamp.done.ns;
    for (const auto& f : std::filesystem::directory_iterator(newest->path))
      std::filesystem::resize_file(f.path(), f.file_size() / 2);
  };
  const LiveResult r = run_live(w);
  CHECK(r.records[0].state == JobState::finished);
  REQUIRE(r.launches.size() == 2);
  CHECK(damaged > 0);
  // The second launch begins before the damaged one's place, by one save at most.
  const std::int64_t lost = r.launches[0].done.ns + r.launches[1].done.ns - seconds(16).ns;
  CHECK(lost > 0);
  CHECK(to_seconds(Duration{lost}) < 3);
}
