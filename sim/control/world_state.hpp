// A run at one instant, between two batches of events, as a value: what the control plane knows, and what it has yet
// to do. A controller goes on from it as the one would that it was taken of; so a run can be forked, to look ahead or
// to try something. It needs an executor that is at the same instant: a copy of the simulated world, which is a value
// too, or a world made of `cluster` alone, simulated or live, which knows no more than the control plane does. Taking
// it costs a copy of the state; a run pays nothing for being able to.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sim/control/cluster_state.hpp"
#include "sim/control/job_source.hpp"
#include "sim/control/reconcile.hpp"

namespace orrery {

enum class RunStatus { completed, stalled, broken };

struct RunOutcome {
  RunStatus status = RunStatus::completed;
  Time ended{};
  std::uint64_t decisions = 0;
  std::uint64_t events = 0;
  std::size_t unfinished = 0;  // stalled: jobs left with nothing that could wake the policy
  std::string why{};           // broken: what the executor says (Executor::broken())
};

struct WorldState {
  Time now{};
  ClusterState cluster;
  // Whose estimates follow from what happens (`history`) must be told whom to ask: JobSource::ask().
  JobSource source;
  Reconciler::Pending pending;
  // The loop's own memory.
  std::vector<Event> since_last;  // world events since the last decision
  Time wake_at = kNever;
  bool wake = false;  // an event that the policy asked for has come, and no decision since
  RunOutcome so_far{};
};

}  // namespace orrery
