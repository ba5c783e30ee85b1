// A tiny world for tests: a few jobs, a few nodes, one policy; run it and look at every job's times. Written so
// that a hand-worked schedule reads like its Gantt chart.
#pragma once

#include <catch2/catch.hpp>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "policies/placement/placements.hpp"
#include "policies/reference/emulations.hpp"
#include "policies/registry.hpp"
#include "sim/api/known_gains.hpp"
#include "sim/control/controller.hpp"
#include "sim/observe/check/invariants.hpp"
#include "sim/world/sim_executor.hpp"

namespace orrery::test {

struct TinyJob {
  std::int64_t submit_s = 0;
  std::int32_t gpus = 1;
  std::int64_t duration_s = 1;
  std::optional<std::int64_t> estimate_s{};  // default: the true duration
  std::int32_t min_gpus = 0, max_gpus = 0;   // default: rigid
};

struct Outcome {
  double start_s = -1;  // first launch
  double finish_s = -1;
  std::uint32_t preemptions = 0;
  JobState state = JobState::submitted;
};

inline std::vector<NodeGroup> cluster(int nodes, int gpus_per_node) {
  NodeGroup g;
  g.name = "n";
  g.count = nodes;
  g.gpus_per_node = gpus_per_node;
  g.gpu = "gpu";
  return {g};
}

struct PolicyChoice {
  std::string name;
  std::string placement = "count";
  std::map<std::string, std::string> options{};
  std::string emulate = "none";
  std::shared_ptr<const KnownGains> gains{};  // for one that says `gains: oracle`
};

// `placement`, when wanted, is the policy's own: valid as long as the policy.
inline std::unique_ptr<Policy> make_policy(const PolicyChoice& choice, const Placement** placement = nullptr) {
  const PolicyInfo* info = find_policy(choice.name);
  REQUIRE(info != nullptr);
  PolicySetup setup;
  setup.gains = choice.gains;
  setup.placement = make_placement(choice.placement, 1);
  REQUIRE(setup.placement != nullptr);
  if (placement != nullptr) *placement = setup.placement.get();
  const PolicyInfo row = emulated(*info, find_emulation(choice.emulate));
  OptionReader reader(choice.name, choice.options, {}, row.options);
  auto policy = row.make(std::move(setup), reader);
  REQUIRE(reader.finish().has_value());
  return policy;
}

inline Workload make_workload(const std::vector<TinyJob>& jobs) {
  Workload w;
  for (const TinyJob& j : jobs) {
    JobSpec s;
    s.id = JobId(static_cast<std::uint32_t>(w.specs.size()));
    s.name = fmt::format("j{}", s.id.value);
    s.submit = at_seconds(j.submit_s);
    s.demand.gpus = j.gpus;
    s.min_gpus = j.min_gpus > 0 ? j.min_gpus : j.gpus;
    s.max_gpus = j.max_gpus > 0 ? j.max_gpus : j.gpus;
    s.demand_class = w.demands.intern(s.demand);
    s.user_estimate = seconds(j.estimate_s.value_or(j.duration_s));
    w.specs.push_back(s);
    w.truths.push_back({Work{seconds(j.duration_s).ns}});
  }
  return w;
}

// Every job wants half of each of its GPUs, so two can be on one.
inline void half_a_gpu_each(Workload& w) {
  for (JobSpec& s : w.specs) {
    s.demand.milli_per_gpu = kMilliPerGpu / 2;
    s.demand_class = w.demands.intern(s.demand);
  }
}

// What the checker must know of a simulated world to reckon how far its jobs are; `speed` is the executor's model.
inline InvariantOptions watched(const Workload& w, const PerformanceModel& speed, const SimOptions& sim = {}) {
  InvariantOptions o;
  o.true_work = [&w](JobId id) -> std::optional<Work> { return w.truths[id.index()].work; };
  o.world.speed = &speed;
  o.world.network = sim.network;
  o.world.cpus = sim.cpus;
  o.world.slow_nodes = sim.failures.stragglers.active();
  o.world.longest_save = std::max(sim.checkpoints.cost, sim.publishes.cost);
  for (const Duration cost : sim.checkpoints.costs) o.world.longest_save = std::max(o.world.longest_save, cost);
  o.world.prompt = true;
  o.world.rule = sim.rule;
  o.world.fill_cost = sim.fill_cost;
  return o;
}

// What a checker found, as a test failure each.
inline void check_clean(const InvariantChecker& checker) {
  for (const Violation& v : checker.violations())
    FAIL_CHECK("invariant " << v.rule << " at " << to_seconds(v.at) << " s, job " << v.job.value << ": " << v.text);
}

struct RunResult {
  RunOutcome outcome;
  std::vector<Outcome> jobs;
  double mean_jct_s = 0;
  double makespan_s = 0;
  std::uint32_t preemptions = 0;
};

// Notes first launches; everything else is in the records at the end.
class FirstStarts final : public Observer {
 public:
  void on_event(const Event& e) override {
    if (e.kind() == EventKind::launch && e.incarnation == 1) starts[e.job.value] = to_seconds(e.at);
  }
  std::map<std::uint32_t, double> starts;
};

inline RunResult run_world(const std::vector<NodeGroup>& groups, const Workload& workload, Policy& policy,
                           SimOptions sim = {}, bool check_views = true, std::vector<Observer*> observers = {}) {
  const Topology topology(groups);
  const IdealModel model;
  SimExecutor executor(topology, workload, model, std::move(sim));
  JobSource source(workload.specs, [](const JobSpec& s) { return s.user_estimate; });
  ControllerOptions options;
  options.check_views = check_views;
  FirstStarts first;
  observers.push_back(&first);
  Controller controller(executor, policy, source, workload.specs, workload.demands, model, options, observers);
  RunResult r;
  r.outcome = controller.run();
  double last = 0;
  double sum = 0;
  for (const JobRecord& rec : controller.state().records()) {
    Outcome o;
    o.state = rec.state;
    o.preemptions = rec.preemptions;
    if (const auto it = first.starts.find(rec.spec->id.value); it != first.starts.end()) o.start_s = it->second;
    if (rec.state == JobState::finished) {
      o.finish_s = to_seconds(rec.since);
      sum += to_seconds(rec.since - rec.spec->submit);
      last = std::max(last, o.finish_s);
    }
    r.preemptions += rec.preemptions;
    r.jobs.push_back(o);
  }
  r.mean_jct_s = sum / static_cast<double>(r.jobs.size());
  r.makespan_s = last - (workload.specs.empty() ? 0 : to_seconds(workload.specs.front().submit));
  return r;
}

// The same under the checker, which watches the world's work, too.
inline RunResult run_checked(const std::vector<NodeGroup>& groups, const Workload& w, Policy& policy,
                             std::vector<Observer*> observers = {}, const SimOptions& sim = {}) {
  const IdealModel speed;
  InvariantChecker checker(watched(w, speed, sim));
  observers.push_back(&checker);
  RunResult r = run_world(groups, w, policy, sim, true, std::move(observers));
  check_clean(checker);
  return r;
}

// Under the invariant checker, which must find nothing.
inline RunResult run_world(const std::vector<NodeGroup>& groups, const std::vector<TinyJob>& jobs,
                           const PolicyChoice& choice, SimOptions sim = {}, std::vector<Observer*> observers = {}) {
  const Workload workload = make_workload(jobs);
  const auto policy = make_policy(choice);
  const IdealModel speed;
  InvariantChecker checker(watched(workload, speed, sim));
  observers.push_back(&checker);
  RunResult r = run_world(groups, workload, *policy, std::move(sim), true, std::move(observers));
  check_clean(checker);
  return r;
}

}  // namespace orrery::test
