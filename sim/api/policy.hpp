// The one interface of every scheduling policy. A policy is a function from a snapshot to a desired change. It
// may keep memory, but the same options, seed and sequence of snapshots must give the same plans: that is what
// lets the identical object run in the simulator and on a live cluster, and it is tested by decision replay.
#pragma once

#include <memory>

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
  // Whether it decides itself when jobs publish (Command::Kind::publish): the world then does so by itself only where
  // an edge names the progress, and not at a scenario's `publish.every`.
  [[nodiscard]] virtual bool publishes() const { return false; }
  // A policy with the same memory, which from here on decides as this one does, in a run of its own (WorldState): one
  // line, `return std::make_unique<Mine>(*this);`, for a policy whose members are values and an OwnPlacement. Null:
  // it cannot be copied, so no forecast can be made with it (a policy that is another process).
  [[nodiscard]] virtual std::unique_ptr<Policy> clone() const { return nullptr; }
};

}  // namespace orrery
