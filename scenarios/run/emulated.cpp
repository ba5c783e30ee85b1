#include "scenarios/run/emulated.hpp"

#include <fmt/format.h>

#include <utility>

#include "policies/reference/emulations.hpp"
#include "scenarios/spec/make_policy.hpp"

namespace orrery::app {

Scenario effective_scenario(Scenario s) {
  const Emulation* e = find_emulation(s.emulate);
  if (e == nullptr) return s;
  s.overheads = OverheadConfig{};
  s.failures = FailureConfig{};
  s.checkpoints = CheckpointConfig{};
  s.publish = PublishConfig{};
  s.policy.placement = placement_of(s.policy, s.emulate);
  s.overheads.launch = e->launch;
  return s;
}

std::vector<std::string> emulation_notes(const Scenario& s) {
  const Emulation* e = find_emulation(s.emulate);
  if (e == nullptr) return {};
  const std::int64_t launch_s = e->launch.ns / kNsPerSecond;
  std::vector<std::string> notes{
      fmt::format("emulate: {} reproduces that simulator's quirks; it overrides overheads{}, failures, checkpoints "
                  "(none) and policy.placement ({})",
                  e->name, launch_s > 0 ? fmt::format(" ({} s at every launch)", launch_s) : "", e->placement_text)};
  if (!e->counted_text.empty()) notes.emplace_back(e->counted_text);
  return notes;
}

Expected<Workload> emulated_work(const Scenario& s, const Trace& trace, Workload workload) {
  const Emulation* e = find_emulation(s.emulate);
  if (e == nullptr) return workload;
  for (JobSpec& spec : workload.specs) spec.phases.clear();
  if (e->work == nullptr) return workload;
  for (std::size_t i = 0; i < trace.jobs.size(); ++i) {
    JobTruth& truth = workload.truths[i];
    truth.work = e->work(trace.jobs[i].iterations, trace.jobs[i].iteration_time);
    if (truth.work.ns == 0)
      return fail(fmt::format(
          "emulate is `{}`, whose work is iterations x iteration time, but the trace gives none for job `{}`",
          e->name, workload.specs[i].name));
  }
  return workload;
}

}  // namespace orrery::app
