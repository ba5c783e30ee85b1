// The control plane's book-keeping, seen through what policies see.
#include <catch2/catch.hpp>
#include <fstream>
#include <memory>
#include <optional>

#include "sim/api/wire.hpp"
#include "sim/control/history_estimates.hpp"
#include "tests/support/stepping.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/support/world.hpp"

namespace {

using namespace orrery;
using namespace orrery::test;

// Starts everything that fits and notes what finished jobs had attained, as the view says it.
class Notes final : public Policy {
 public:
  void schedule(const ClusterView& view, PlanBuilder& plan) override {
    for (const Event& e : view.since_last)
      if (e.kind() == EventKind::finished) attained[e.job.value] = to_gpu_seconds(view.job(e.job).attained);
    std::vector<JobId> waiting;
    for (const JobView& j : view.pending()) waiting.push_back(j.id());
    for (const JobId id : waiting) plan.start(id, *placement_);
  }
  std::map<std::uint32_t, double> attained;

 private:
  std::unique_ptr<Placement> placement_ = make_placement("count", 1);
};

// A run under a script, as far as a test wants it.
class ScriptedRun {
 public:
  ScriptedRun(const std::vector<NodeGroup>& groups, const std::string& script, const std::vector<TinyJob>& jobs,
              const Predictor* predict = nullptr)
      : topology_(groups), work_(make_workload(jobs)), executor_(topology_, work_, ideal_, {}) {
    std::ofstream(dir_.file("script")) << script;
    policy_ = make_policy({"scripted", "count", {{"file", dir_.file("script")}}});
    ControllerOptions options;
    options.check_views = true;
    controller_.emplace(executor_, *policy_, source_, work_.specs, work_.demands,
                        predict != nullptr ? *predict : ideal_, options, std::vector<Observer*>{});
    controller_->begin();
  }
  // What is known at the first instant at or after `s` seconds at which anything happens.
  ClusterView at(std::int64_t s) {
    while (executor_.now() < at_seconds(s) && controller_->step()) {
    }
    return controller_->state().view(at_seconds(s), 0, {});
  }
  JobView job_at(std::int64_t s, std::uint32_t job = 0) { return at(s).job(JobId(job)); }

 private:
  TempFolder dir_;
  Topology topology_;
  Workload work_;
  IdealModel ideal_;
  SimExecutor executor_;
  JobSource source_{work_.specs, [](const JobSpec& s) { return s.user_estimate; }};
  std::unique_ptr<Policy> policy_;
  std::optional<Controller> controller_;
};

}  // namespace

// Found by taking over a suspended job: what it had run before was forgotten, for policies and forks.
TEST_CASE("a job that is suspended is believed to have done what it ran", "[control]") {
  ScriptedRun run(cluster(1, 2), "0s j0 run n0:0\n20s j0 suspend\n30s j0 run n0:0\n40s j1 run n0:1\n",
                  {{0, 1, 50}, {0, 1, 5}});
  CHECK(run.job_at(20).done == Work{seconds(20).ns});
  CHECK(run.job_at(30).done == Work{seconds(20).ns});
  CHECK(run.job_at(40).done == Work{seconds(30).ns});
}

// Found by taking over merged jobs: each was believed to go on as if it were alone, for policies and forks.
TEST_CASE("merged jobs are believed to have done their parts of the gang's steps", "[control][merged]") {
  const Stepping stepping;
  const auto believed_at = [](std::int64_t s, const Predictor* predict) {
    ScriptedRun run(cluster(1, 2),  // what is said of j2 changes nothing: a decision at that instant
                    "0s j0 run n0:0 group 1 merged\n0s j1 run n0:0 group 1 merged\n4s j2 run n0:1\n20s j1 preempt\n"
                    "24s j2 run n0:1\n30s j1 run n0:0 group 1 merged\n34s j2 run n0:1\n",
                    {{0, 1, 100}, {0, 1, 100}, {0, 1, 100}}, predict);
    std::vector<double> done_and_rate;
    for (const std::uint32_t job : {0, 1}) {
      const JobView v = run.job_at(s, job);
      done_and_rate.insert(done_and_rate.end(),
                           {to_seconds(Duration{v.done.ns}), static_cast<double>(v.rate.per_billion) / 1e9});
    }
    return done_and_rate;
  };
  CHECK(believed_at(4, nullptr) == std::vector<double>{2, 0.5, 2, 0.5});
  CHECK(believed_at(24, nullptr) == std::vector<double>{14, 1, 10, 0});
  CHECK(believed_at(34, nullptr) == std::vector<double>{22, 0.5, 12, 0.5});
  CHECK(believed_at(4, &stepping) == std::vector<double>{1, 0.25, 3, 0.75});
  CHECK(believed_at(24, &stepping)[0] == 9);  // its 5 s, and alone since
}

// A report below what was believed when the speed changed was taken for a late one; one above it for one of a speed.
TEST_CASE("what a job reports counts for more than what was believed when its speed changed", "[control]") {
  const Topology topology(cluster(1, 1));
  const Workload w = make_workload({{0, 1, 100}});
  const IdealModel model;
  ClusterState state(topology, w.specs, w.demands, model, 1);
  const auto say = [&](std::int64_t s, const event::Payload& what) {
    const JobRecord& r = state.record(JobId(0));
    return state.apply(
        {.at = at_seconds(s), .job = JobId(0), .gang = r.gang, .incarnation = r.incarnation, .what = what});
  };
  const auto reports = [&](std::int64_t s, std::int64_t done_s) {
    CHECK(say(s, event::Progress{Work{seconds(done_s).ns}}));
    const JobView v = state.view(at_seconds(s), 0, {}).job(JobId(0));
    CHECK(v.done == Work{seconds(done_s).ns});
    return static_cast<double>(v.rate.per_billion) / 1e9;
  };
  say(0, event::Submit{});
  say(0, event::Ready{});
  Target target;
  target.gpus.add({.node = NodeId(0), .gpus = GpuMask::one(0)});
  Plan plan;
  plan.targets.emplace_back(JobId(0), target);
  state.accept(plan);
  state.launch(JobId(0), at_seconds(0), GangId(1));
  say(0, event::Started{});
  CHECK(reports(10, 4) == 0.4);
  say(20, event::Reconfigured{8, 1});  // believed to have done 8 s
  CHECK(reports(22, 6) == 1);          // some of it at the old speed
  CHECK(reports(24, 7) == 0.5);
}

// Found by Gittins' index staying empty: the GPUs were released before the last stretch of service was added up.
TEST_CASE("a finished job has attained its last stretch of service", "[control]") {
  Notes policy;
  const Workload workload = make_workload({{0, 2, 10}, {0, 3, 7}});
  run_world(cluster(1, 4), workload, policy);
  CHECK(policy.attained[0] == 20);
  CHECK(policy.attained[1] == 21);
}

// Rounds of Gavel's kind compare what a job had of each type with what it was meant to have.
TEST_CASE("what a job has attained is known by GPU type", "[control]") {
  std::vector<NodeGroup> groups = cluster(1, 2);
  groups.push_back(groups.front());
  groups[0].gpu = "k80";
  groups[1].gpu = "v100";
  ScriptedRun run(groups, "0s j0 run n0:0-1\n10s j0 preempt\n10s j0 run n0:0,n1:1\n30s j1 run n1:0\n",
                  {{0, 2, 50}, {0, 1, 5}});
  const ClusterView view = run.at(30);
  CHECK(to_gpu_seconds(view.attained(JobId(0), 0)) == 40);  // two for 10 s, one for 20 s
  CHECK(to_gpu_seconds(view.attained(JobId(0), 1)) == 20);
  CHECK(view.attained(JobId(0), 0) + view.attained(JobId(0), 1) == view.job(JobId(0)).attained);
  CHECK(wire::job_of(view, JobId(0), false).attained_on ==
        std::vector{view.attained(JobId(0), 0), view.attained(JobId(0), 1)});
  CHECK(view.attained(JobId(1), 1) == GpuTime{});
}

TEST_CASE("history estimates are the mean of the tenant's last two jobs", "[control]") {
  Workload w = make_workload({{0, 1, 10}, {10, 1, 20}, {40, 1, 60}, {200, 1, 5}, {300, 1, 5}});
  for (JobSpec& s : w.specs) {
    s.tenant = s.id.value == 4 ? "b" : "a";
    s.user_estimate.reset();
  }
  const Topology topology(cluster(1, 1));
  const IdealModel model;
  SimExecutor executor(topology, w, model, {});
  HistoryEstimates history;
  std::vector<std::optional<Duration>> claimed(w.specs.size());
  JobSource source(w.specs, [&](const JobSpec& s) { return claimed[s.id.index()] = history.estimate(s); });
  Notes policy;
  Controller controller(executor, policy, source, w.specs, w.demands, model, {}, {&history});
  controller.run();
  CHECK_FALSE(claimed[0].has_value());
  CHECK(claimed[2] == seconds(15));  // of 10 and 20
  CHECK(claimed[3] == seconds(40));  // of 20 and 60
  CHECK(claimed[4].has_value());     // another tenant: the mean over all jobs
}

// Found here: a child submitted after its parent was rejected waited for ever; one submitted together with it was
// rejected twice.
TEST_CASE("a child is released when its hard parent is done, and rejected when it can never be", "[control]") {
  Workload w = make_workload({{0, 1, 10}, {1, 1, 5}, {2, 9, 5}, {2, 1, 5}, {3, 1, 5}});
  w.specs[1].after.push_back({JobId(0), true, 1000});
  w.specs[3].after.push_back({JobId(2), true, 1000});  // its parent wants more GPUs than there are
  w.specs[4].after.push_back({JobId(3), true, 1000});
  const Topology topology(cluster(1, 4));
  const IdealModel model;
  SimExecutor executor(topology, w, model, {});
  JobSource source(w.specs, [](const JobSpec& s) { return s.user_estimate; });
  Notes policy;
  ControllerOptions options;
  options.feasible = [](const Demand& d) { return d.gpus <= 4; };
  InvariantChecker checker;
  Controller controller(executor, policy, source, w.specs, w.demands, model, options, {&checker});
  CHECK(controller.run().status == RunStatus::completed);
  CHECK(checker.ok());
  const auto& records = controller.state().records();
  CHECK(records[1].state == JobState::finished);
  CHECK(to_seconds(records[1].since) == 15);
  CHECK(records[2].state == JobState::rejected);
  CHECK(records[3].state == JobState::rejected);
  CHECK(records[4].state == JobState::rejected);
}
