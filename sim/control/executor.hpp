// The seam between the two worlds. Everything above it (policies, controller, cluster state, observers) is the
// same code for a simulation and a live run; SimExecutor, LiveExecutor and ChaosExecutor differ only below.
// Time passes in one call, wait_until(); between two calls now() is frozen.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "sim/api/plan.hpp"
#include "sim/core/event.hpp"
#include "sim/core/topology.hpp"

namespace orrery {

enum class StopHow : std::uint8_t { checkpoint_exit, suspend, kill };

// A job in a gang. Most gangs have one; the members of a merged gang make their steps together, a step of the gang
// being one of each of them in turn.
struct Member {
  JobId job{};
  Incarnation incarnation = 0;
  RunConfig config{};
};

// A gang to be started, or, where it is there already, members that join it: they start as those of a gang of their
// own would, while the others go on.
struct LaunchRequest {
  GangId gang{};
  std::span<const Member> members{};
  // What each of these members holds. The members of a gang hold the same GPUs (same_gpus()), and CPUs and memory of
  // their own.
  const Allocation* gpus = nullptr;
  Sharing sharing = Sharing::exclusive;
  GroupId group = kNoGroup;
};

class Executor {
 public:
  virtual ~Executor() = default;
  [[nodiscard]] virtual Time now() const = 0;
  // The cluster at the start; later changes arrive as `capacity` events.
  [[nodiscard]] virtual const Topology& describe() = 0;
  // Asynchronous: the verdict on each member is an event, `started` or `launch_failed`.
  virtual void launch(const LaunchRequest& request) = 0;
  // The member leaves the gang, which ends with its last one. Asynchronous: `stopped`, `suspended` (of gangs of one
  // member), or `finished` when the job ended before the stop reached it.
  virtual void stop(GangId gang, const Member& member, StopHow how, Duration grace) = 0;
  // A suspended gang goes on; verdict `resumed`.
  virtual void resume(GangId gang, const Member& member) = 0;
  // May be refused: `command_failed`.
  virtual void command(GangId gang, const Member& member, const Command& command) = 0;
  // Lets time pass until something happens or `deadline` is reached; returns everything that happened at the
  // new now(). The span is valid until the next call.
  [[nodiscard]] virtual std::span<const Event> wait_until(Time deadline) = 0;
  // The job of which something is due next, as far as that is known; none where it is not. A guess, for who wants to
  // fetch what is kept of the job.
  [[nodiscard]] virtual JobId upcoming() const { return {}; }
  // Why the world cannot go on, in words: a job was put where nobody knows how fast it is. Empty while it can. The
  // run ends there; until it does, the other calls do no harm.
  [[nodiscard]] virtual std::string_view broken() const { return {}; }
};

}  // namespace orrery
