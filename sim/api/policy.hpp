// The one interface of every scheduling policy. A policy is a function from a snapshot to a desired change. It
// may keep memory, but the same options, seed and sequence of snapshots must give the same plans: that is what
// lets the identical object run in the simulator and on a live cluster, and it is tested by decision replay.
#pragma once

#include <string_view>

#include "sim/api/plan.hpp"
#include "sim/api/view.hpp"

namespace orrery {

class Policy {
 public:
  virtual ~Policy() = default;
  // Which events lead to a decision. Every event is in `since_last` of the next decision, asked for or not;
  // only that a node is slow (`slowed`) is told to nobody.
  [[nodiscard]] virtual EventMask wakes_on() const { return kArrive | kEnd | kFail | kCapacity | kPublish | kTimer; }
  // Reads the view, writes the changes it wants. Pointers and ranges are valid during the call only.
  virtual void schedule(const ClusterView& view, PlanBuilder& plan) = 0;
};

}  // namespace orrery
