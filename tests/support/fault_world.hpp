// The world in which the simulated executor and the live one are compared: two small nodes, saves every few seconds.
#pragma once

#include <catch2/catch.hpp>

#include <functional>
#include <vector>

#include "sim/world/sim_executor.hpp"
#include "tests/support/live_world.hpp"

namespace orrery::test {

constexpr Duration kFaultCheckpoints = seconds(4);

inline std::vector<Event> run_controller(Executor& executor, const LiveWorld& world) {
  const IdealModel model;
  const auto policy = make_policy(world.policy);
  JobSource source(world.workload.specs, [](const JobSpec& s) { return s.user_estimate; });
  ControllerOptions options;
  options.check_views = true;
  InvariantChecker checker;
  Diary diary;
  Controller controller(executor, *policy, source, world.workload.specs, world.workload.demands, model, options,
                        {&checker, &diary});
  CHECK(controller.run().status == RunStatus::completed);
  for (const Violation& v : checker.violations())
    FAIL_CHECK("invariant " << v.rule << " at " << to_seconds(v.at) << " s: " << v.text);
  return diary.events;
}

inline SimOptions sim_options(const LiveWorld& world) {
  SimOptions o;
  o.overheads = world.overheads;
  o.checkpoints = world.checkpoints;
  return o;
}

struct FaultWorld : LiveWorld {
  FaultWorld() {
    groups = cluster(2, 2);
    overheads.launch = seconds(3);
    overheads.stop = seconds(2);
    checkpoints = {kFaultCheckpoints, seconds(1)};
  }
};

// Plays it in either world; `check` is shown what was told there.
inline void in_both_worlds(const LiveWorld& w, const std::function<void(const Diary&)>& check) {
  const Topology topology(w.groups);
  const IdealModel model;
  SimExecutor simulated(topology, w.workload, model, sim_options(w));
  const auto real = live_executor(w, topology, model);
  for (Executor* world : {static_cast<Executor*>(&simulated), static_cast<Executor*>(real.get())}) {
    INFO((world == &simulated ? "simulated" : "live"));
    Diary book;
    book.events = run_controller(*world, w);
    check(book);
  }
}

}  // namespace orrery::test
