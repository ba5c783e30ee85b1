// A run that was simulated up to an instant goes on with real processes: from a WorldState a live world, in which
// jobs that run, wait with work done, are suspended, start or stop go on as they would have. A second of wall clock
// is 20 s.
#include <atomic>
#include <catch2/catch.hpp>

#include "backend/protocol/checkpoint_dir.hpp"
#include "sim/world/sim_executor.hpp"
#include "tests/support/batches.hpp"
#include "tests/support/live_world.hpp"
#include "tests/support/wait.hpp"

namespace {

using namespace orrery;
using namespace orrery::test;

// The run in the simulated world, and from its first step at or after `at` on in the live world, too.
struct TakenOver {
  Diary simulated, live;
  JobState state_then{};  // of job 0
  std::vector<JobRecord> records{};
};

TakenOver take_over(const LiveWorld& world, Time at, SimOptions sim = {}) {
  const Topology topology(world.groups);
  const IdealModel model;
  sim.overheads = world.overheads;
  SimExecutor executor(topology, world.workload, model, sim);
  JobSource source(world.workload.specs, [](const JobSpec& s) { return s.user_estimate; });
  const auto policy = make_policy(world.policy);
  TakenOver r;
  Controller controller(executor, *policy, source, world.workload.specs, world.workload.demands, model, {},
                        {&r.simulated});
  controller.begin();
  while (executor.now() < at && controller.step()) {
  }
  WorldState state = controller.world();
  r.state_then = state.cluster.record(JobId(0)).state;
  const auto goes_on = policy->clone();
  r.simulated.events.clear();
  while (controller.step()) {
  }
  (void)controller.end();

  live::LiveExecutor real(topology, world.workload, model, live_engine(world, topology), live_options(world),
                          state.cluster, state.now);
  ControllerOptions checked;
  checked.check_views = true;
  Controller twin(real, *goes_on, state, checked, {&r.live});
  CHECK(twin.run().status == RunStatus::completed);
  r.records = twin.state().records();
  return r;
}

// The same things of every job in the same order.
void check_story(const TakenOver& r) {
  for (std::uint32_t job = 0; job < r.records.size(); ++job) {
    INFO("job " << job);
    const auto story = [job](const Diary& diary) {
      std::string text;
      for (const Event& e : diary.events)
        if (e.job == JobId(job) && e.kind() < EventKind::decide && e.kind() != EventKind::progress)
          text += fmt::format("{} {}\n", to_string(e.kind()), e.incarnation);
      return text;
    };
    CHECK(story(r.live) == story(r.simulated));
    CHECK(r.records[job].state == JobState::finished);
  }
}

// And its end within 8 s (400 ms of wall clock).
void check_same(const TakenOver& r) {
  check_story(r);
  for (std::uint32_t job = 0; job < r.records.size(); ++job) {
    INFO("job " << job);
    CHECK(r.live.when(EventKind::finished, job) == Approx(r.simulated.when(EventKind::finished, job)).margin(8));
  }
}

void make_scripted(LiveWorld& w, const std::string& script, const std::vector<TinyJob>& jobs) {
  use_script(w, script, jobs);
  w.overheads.launch = seconds(4);
  w.overheads.stop = seconds(4);
}

// What the control plane knows of the run at that instant.
WorldState simulated_to(Time at, const LiveWorld& w, const Topology& topology, const IdealModel& model) {
  SimExecutor simulated(topology, w.workload, model, {});
  JobSource source(w.workload.specs, [](const JobSpec& s) { return s.user_estimate; });
  const auto policy = make_policy(w.policy);
  Controller controller(simulated, *policy, source, w.workload.specs, w.workload.demands, model, {}, {});
  controller.begin();
  while (simulated.now() < at && controller.step()) {
  }
  return controller.world();
}

}  // namespace

TEST_CASE("live: a simulated run is taken over while its jobs run and wait with work done", "[live]") {
  LiveWorld w;
  w.groups = cluster(1, 2);
  w.workload = make_workload({{0, 2, 40}, {10, 2, 8}, {12, 1, 20}, {26, 2, 6}});
  w.policy = {"srtf"};
  const TakenOver r = take_over(w, at_seconds(12));
  CHECK(r.state_then == JobState::pending);  // job 0 has done 10 s
  check_same(r);
  CHECK(r.live.count(EventKind::launch, 1) == 0);  // it was there
}

TEST_CASE("live: a job that is taken over goes on from what it was believed to have done", "[live]") {
  for (const auto& [at, state] : std::vector<std::pair<int, JobState>>{{2, JobState::starting},
                                                                       {10, JobState::running},
                                                                       {22, JobState::suspended},
                                                                       {36, JobState::running},
                                                                       {41, JobState::stopping}}) {
    INFO("at " << at << " s");
    LiveWorld w;
    make_scripted(  // what is said of j1 changes nothing: a decision at that instant
        w,
        fmt::format("0s j0 run n0:0-1\n0s j1 run n0:3\n20s j0 suspend\n30s j0 run n0:0-1\n40s j0 preempt\n"
                    "50s j0 run n0:1-2\n{}s j1 run n0:3\n",
                    at),
        {{0, 2, 40}, {0, 1, 60}});
    const TakenOver r = take_over(w, at_seconds(at));
    CHECK(r.state_then == state);
    check_same(r);
  }
}

TEST_CASE("live: merged jobs are taken over as the members of one gang", "[live]") {
  LiveWorld w;
  make_scripted(w,
                "0s j0 run n0:0-1 group 1 merged\n0s j1 run n0:0-1 group 1 merged\n14s j2 run n0:3\n"
                "30s j1 preempt\n45s j1 run n0:2-3\n",
                {{0, 2, 30}, {0, 2, 60}, {0, 1, 10}});
  const TakenOver r = take_over(w, at_seconds(14));
  CHECK(r.state_then == JobState::running);
  check_same(r);
}

TEST_CASE("live: a node that is away in a run that is taken over is there", "[live]") {
  LiveWorld w;
  w.groups = cluster(2, 1);
  w.workload = make_workload({{0, 2, 20}, {12, 1, 4}});
  SimOptions sim;
  sim.failures.outages = {{NodeId(1), at_seconds(10), at_seconds(2000)}};
  const TakenOver r = take_over(w, at_seconds(12), sim);
  CHECK(r.live.count(EventKind::capacity) == 1);
  CHECK(r.simulated.when(EventKind::finished, 0) >= 2000);
  CHECK(r.live.when(EventKind::finished, 0) < 200);
}

// What was believed of a job that trains was reported as saved when it failed before it was up.
TEST_CASE("live: a job that trains is taken over with what its folder holds", "[live]") {
  for (const std::int64_t saved_s : {0, 4}) {
    INFO(saved_s << " s saved");
    LiveWorld w;
    make_scripted(w, "0s j0 run n0:0\n10s j1 run n0:1\n", {{0, 1, 40}, {0, 1, 40}});
    const Topology topology(w.groups);
    const IdealModel model;
    const WorldState state = simulated_to(at_seconds(10), w, topology, model);
    REQUIRE(state.cluster.record(JobId(0)).state == JobState::running);
    if (saved_s > 0) {
      const Work done{seconds(saved_s).ns};
      REQUIRE(live::save_checkpoint(w.folder.path() + "/jobs/0/checkpoints", {{"0", 1, 0, saved_s, done}, {}, {}}));
    }
    live::LiveOptions options = live_options(w);
    options.time_scale = 1;
    options.tasks = {{w.folder.file("task"), {"/bin/false"}, Work{seconds(1).ns}}, {}};  // it is never up
    live::LiveExecutor real(topology, w.workload, model, live_engine(w, topology), options, state.cluster, state.now);
    std::optional<Work> committed;
    for (const Time until = real.now() + seconds(20); real.now() < until && !committed;)
      for (const Event& e : real.wait_until(until))
        if (e.job == JobId(0) && failure_of(e) != nullptr) committed = failure_of(e)->committed;
    REQUIRE(committed);
    CHECK(*committed == Work{seconds(saved_s).ns});
  }
}

// It comes up, and is told to stop before it is known to be there.
TEST_CASE("live: a job that was suspended in a run that is taken over can be stopped at once", "[live]") {
  LiveWorld w;
  make_scripted(w, "0s j0 run n0:0-1\n20s j0 suspend\n22s j1 preempt\n99s j1 run n0:3\n", {{0, 2, 40}, {0, 1, 5}});
  const Topology topology(w.groups);
  const IdealModel model;
  const WorldState state = simulated_to(at_seconds(22), w, topology, model);
  const JobRecord& job = state.cluster.record(JobId(0));
  REQUIRE(job.state == JobState::suspended);

  std::atomic<bool> up = false;
  w.see = [&up](WatchedEngine&, const EngineEvent& e) { up = up || is_ready(e); };
  live::LiveOptions options = live_options(w);
  options.time_scale = 1;
  live::LiveExecutor real(topology, w.workload, model, live_engine(w, topology), options, state.cluster, state.now);
  REQUIRE(wait_for([&up] { return up.load(); }));
  real.stop(job.gang, {job.spec->id, job.incarnation, job.held_config}, StopHow::checkpoint_exit, seconds(5));
  bool stopped = false;
  for (const Time until = real.now() + seconds(20); real.now() < until && !stopped;)
    for (const Event& e : real.wait_until(until)) stopped = stopped || e.kind() == EventKind::stopped;
  CHECK(stopped);
}
