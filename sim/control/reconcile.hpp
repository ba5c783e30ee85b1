// Reaches standing targets: compares what jobs hold with what they should hold and tells the executor what to
// do about the difference. Stops come first; a launch whose GPUs are still being vacated happens when they are,
// without asking the policy again. Looks only at jobs whose target or state changed, and at launches that wait
// for a node on which something became free.
#pragma once

#include <functional>
#include <utility>
#include <vector>

#include "sim/control/cluster_state.hpp"
#include "sim/control/executor.hpp"

namespace orrery {

class Reconciler {
 public:
  // `emit` receives a control record (launch, stop, reject, ...) for each step taken, after the state changed.
  using Emit = std::function<void(const Event&)>;
  // What is yet to be done, as a value (see WorldState).
  struct Pending {
    std::vector<JobId> work;                     // jobs whose target or state changed
    std::vector<std::pair<JobId, Act>> endings;  // reject and cancel, in plan order
    std::vector<Command> commands;
    std::vector<std::vector<JobId>> waiting_on;  // [node] -> launches that wait for it
    std::uint32_t next_gang = 0;
  };
  Reconciler(ClusterState& state, Executor& executor, Duration stop_grace, Emit emit);
  Reconciler(ClusterState& state, Executor& executor, Duration stop_grace, Emit emit, Pending pending);

  // The plan's targets have been accepted by the state; its commands go to the gangs that still run afterwards.
  void targets_changed(const Plan& plan);
  // A world event was applied to this job.
  void job_changed(JobId job) { work_.push_back(job); }
  // Takes every step that is possible now.
  void act(Time now);
  [[nodiscard]] Pending pending() const { return {work_, endings_, commands_, waiting_on_, next_gang_}; }

 private:
  void act_once(Time now);
  void stop_if_needed(JobId job, Time now);
  void launch_if_possible(JobId job, Time now);
  void stop(JobId job, Time now, StopHow how, bool by_policy);
  void record(JobId job, Time now, const event::Payload& what);
  void pass_on(const Command& command, Time now);
  void wait_for(JobId job, const Target& target);
  [[nodiscard]] Member member(JobId job) const;
  [[nodiscard]] bool may_join(const std::vector<JobId>& gang, const Target& target) const;

  ClusterState* state_;
  Executor* executor_;
  Duration stop_grace_;
  Emit emit_;
  std::vector<JobId> work_;
  std::vector<JobId> round_;
  std::vector<std::pair<JobId, Act>> endings_;  // reject and cancel, in plan order
  std::vector<Command> commands_;
  std::vector<std::vector<JobId>> waiting_on_;  // [node] -> launches that wait for it
  std::uint32_t next_gang_ = 0;
};

}  // namespace orrery
