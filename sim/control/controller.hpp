// The loop, the same in both worlds: wait, apply what happened, ask the policy if it wants to be asked, reach
// its targets. Owns the cluster state; borrows executor, policy and observers.
#pragma once

#include <array>
#include <functional>
#include <vector>

#include "sim/api/policy.hpp"
#include "sim/control/cluster_state.hpp"
#include "sim/control/executor.hpp"
#include "sim/control/job_source.hpp"
#include "sim/control/observer.hpp"
#include "sim/control/reconcile.hpp"
#include "sim/control/world_state.hpp"

namespace orrery {

struct ControllerOptions {
  std::uint32_t retry_budget = 3;  // failures of a job that are retried
  Duration stop_grace = seconds(30);
  bool check_views = false;  // rebuild and compare the state after every event (slow; tests and debug)
  // Whether a demand can ever be met on the empty cluster; jobs that cannot are rejected when they are submitted.
  std::function<bool(const Demand&)> feasible;
  bool elastic = false;  // the policy changes sizes: a job is feasible if it can run on as few GPUs as it may
  // Asked before every decision (numbered from 1): a policy that takes over from now on, or null to go on. It has
  // seen nothing of the run; its first `since_last` holds one event per job that is there. For resumed runs.
  std::function<Policy*(std::uint64_t epoch)> take_over;
  // Called around every decision, for latency statistics; may be empty. Never influences the run.
  std::function<void(bool begin)> on_decision;
};

class Controller {
 public:
  Controller(Executor& executor, Policy& policy, JobSource& source, const std::vector<JobSpec>& specs,
             const DemandTable& demands, const Predictor& predict, ControllerOptions options,
             std::vector<Observer*> observers);

  // Goes on from a state, with what was given to the controller that it is of, or with others like it: an executor at
  // the same instant, a clone of the policy. `from` must outlive this: jobs come from its source.
  Controller(Executor& executor, Policy& policy, WorldState& from, ControllerOptions options,
             std::vector<Observer*> observers);

  // Runs until every job has ended, or nothing can happen any more, or the executor is broken.
  RunOutcome run();
  // The same in steps: begin(), step() until it returns false, end(). A step is one batch of events.
  void begin();
  bool step();
  RunOutcome end();

  [[nodiscard]] const ClusterState& state() const { return state_; }
  // All of it, for a fork; between two steps.
  [[nodiscard]] WorldState world() const;
  [[nodiscard]] std::uint64_t events() const { return outcome_.events; }

 private:
  void apply(Event event);
  void admit(const Event& submit);
  void decide(Time now);
  void introduce(Policy& policy, Time now);
  void emit(const Event& event);
  void look_ahead();
  void settle_ended(JobId job, bool finished, Time now);
  void cancel(JobId job, Time now);
  void call_off(JobId job, NodeId node, Time now);
  void call_off_launches(NodeId node, Time now);
  void call_off_fillers(JobId host, Time now);
  [[nodiscard]] bool at_rest() const;
  [[nodiscard]] bool breaks();

  Executor* executor_;
  Policy* policy_;
  JobSource* source_;
  ControllerOptions options_;
  std::vector<Observer*> observers_;
  ClusterState state_;
  PlanBuilder builder_;
  Reconciler reconciler_;
  EventMask mask_;
  std::vector<Event> arrivals_;        // what the source and the loop itself add to a batch
  std::vector<Event> since_last_;      // world events since the last decision
  std::vector<signed char> feasible_;  // [demand class]: -1 unknown, 0, 1
  std::array<JobId, 3> expected_{};    // what was looked ahead to last
  Time wake_at_ = kNever;
  bool wake_ = false;  // this batch holds an event that the policy asked for
  RunOutcome outcome_;
};

}  // namespace orrery
