// The world in which the simulated executor and the live one are compared: two small nodes, saves every few seconds.
#pragma once

#include <catch2/catch.hpp>

#include <fstream>
#include <string>
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

inline void use_script(LiveWorld& w, const std::string& script, const std::vector<TinyJob>& jobs) {
  std::ofstream(w.folder.file("script")) << script;
  w.workload = make_workload(jobs);
  w.policy = {"scripted", "count", {{"file", w.folder.file("script")}}};
}

}  // namespace orrery::test
