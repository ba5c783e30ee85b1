// A small random world with bad luck: everything that a chaos run needs, recorded so that it can be replayed.
#pragma once

#include "sim/control/replay_executor.hpp"
#include "sim/core/random.hpp"
#include "sim/world/chaos_executor.hpp"
#include "tests/support/fingerprint.hpp"
#include "tests/support/world.hpp"

namespace orrery::test {

struct ChaosWorld {
  std::uint64_t seed = 1;
  std::vector<NodeGroup> groups;
  Workload workload;
  std::string placement = "count";
};

inline ChaosWorld chaos_world(std::uint64_t seed) {
  RandomStream rng = stream(seed, "tests/chaos");
  ChaosWorld w;
  w.seed = seed;
  const int nodes = static_cast<int>(2 + uniform_below(rng, 3));
  w.groups = cluster(nodes, 4);
  std::vector<TinyJob> jobs;
  std::int64_t submit = 0;
  for (std::uint64_t n = 6 + uniform_below(rng, 10); n > 0; --n) {
    TinyJob j;
    j.submit_s = submit;
    j.gpus = static_cast<std::int32_t>(1 + uniform_below(rng, uniform_below(rng, 3) == 0 ? 8 : 3));
    j.duration_s = static_cast<std::int64_t>(1 + uniform_below(rng, 3000));
    j.estimate_s = 1 + j.duration_s * static_cast<std::int64_t>(50 + uniform_below(rng, 150)) / 100;
    jobs.push_back(j);
    submit += static_cast<std::int64_t>(uniform_below(rng, 500));
  }
  w.workload = make_workload(jobs);
  static constexpr const char* kPlacements[] = {"count", "consolidated", "pack", "random"};
  w.placement = kPlacements[uniform_below(rng, 4)];
  return w;
}

inline SimOptions chaos_sim_options() {
  SimOptions o;
  o.overheads.launch = seconds(3);
  o.overheads.stop = seconds(2);
  o.overheads.restart = OverheadModel::Restart::constant;
  o.overheads.restart_default = seconds(10);
  o.checkpoints = {seconds(300), seconds(5)};
  o.progress_every = seconds(120);
  return o;
}

class CalledOff final : public Observer {
 public:
  void on_event(const Event& e) override { count += e.kind() == EventKind::called_off ? 1 : 0; }
  std::uint64_t count = 0;
};

struct Verdict {
  RunOutcome outcome;
  std::uint64_t fingerprint = 0;
  std::vector<JobState> states;
  std::vector<Violation> violations;
  std::uint64_t called_off = 0;  // launches that waited for GPUs of a node that went down
};

// Runs `make()`'s policy on `executor`; from decision `take_over_at` on (0 = never) a fresh one.
template <class Make>
Verdict run_on(Executor& executor, const ChaosWorld& w, Make make, std::uint64_t take_over_at, bool know_work) {
  const IdealModel belief;
  JobSource source(w.workload.specs, [](const JobSpec& s) { return s.user_estimate; });
  InvariantOptions invariants;
  if (know_work) invariants.true_work = [&w](JobId id) { return w.workload.truths[id.index()].work; };
  InvariantChecker checker(invariants);
  Fingerprint fingerprint;
  CalledOff called_off;
  const auto first = make();
  const auto second = make();
  ControllerOptions options;
  options.check_views = true;
  const Inventory empty(executor.describe());
  const auto placement = make_placement(w.placement, 1);
  options.feasible = [&](const Demand& d) {
    Allocation a;
    return placement->place(d, empty, a);
  };
  options.take_over = [&](std::uint64_t epoch) { return epoch == take_over_at ? second.get() : nullptr; };
  Controller controller(executor, *first, source, w.workload.specs, w.workload.demands, belief, options,
                        {&checker, &fingerprint, &called_off});
  Verdict v;
  v.outcome = controller.run();
  v.fingerprint = fingerprint.value();
  v.called_off = called_off.count;
  v.violations = checker.violations();
  for (const JobRecord& r : controller.state().records()) v.states.push_back(r.state);
  return v;
}

}  // namespace orrery::test
