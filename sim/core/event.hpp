// The event stream: the one record of everything that happens in a run, in either world. The first kinds come
// from executors and the job source and are what policies see; the rest record what the control plane did.
// Metrics, tables, the invariant checker and the stored log are folds over this stream.
#pragma once

#include <cstdint>
#include <string_view>

#include "sim/core/allocation.hpp"
#include "sim/core/ids.hpp"
#include "sim/core/time.hpp"

namespace orrery {

enum class EventKind : std::uint8_t {
  // From the world. The order is the order within one instant: capacity comes back and jobs end before
  // anything new is considered; progress reports come before the ends that they precede.
  capacity,      // node: value = GPUs of the node now usable
  progress,      // value = work done (ns at reference rate) as of now
  checkpointed,  // value = work committed, value2 = how long the job stood still for it (ns)
  published,     // value = version (1, 2, ... of the job), value2 = the job's progress in it, per mille
  finished,
  stopped,    // value = work committed; holds nothing any more; value2 as for `suspended`
  suspended,  // value2 = how long it had stood still for a checkpoint that was broken off (ns)
  resumed,
  failed,  // value = work that survives; holds nothing; value2 = 1: for good, else it is pending again, and -ns
           // as for `suspended`; `node`, where given: that node went down, which is not charged to the job
  launch_failed,  // value, value2 as for `failed`; holds nothing any more
  command_failed,
  started,  // begins to make progress
  submit,   // value = estimate (ns), -1 = none
  ready,    // its parents allow it to run
  timer,    // the wake-up that the policy asked for
  // From the control plane.
  decide,  // value = epoch, value2 = changes in the plan
  launch,  // value = incarnation; `gpus` = the allocation
  stop,    // the reconciler asks a gang to stop
  suspend,
  resume,
  reject,
  cancel,
  reason,      // why a job waits: value = ReasonCode, value2 = its argument
  called_off,  // a launch that waited for GPUs of a node that went down: the job has no target any more
  // From the world, like the first ones (here because the numbers of the others are in recorded fingerprints).
  inherited,      // starts from what a parent published: value = the parent's id, value2 = work (ns at reference
                  // rate) that this saves against the job's base checkpoint; negative where it costs work
  slowed,         // node: a step there takes value / 1'000'000 times as long from now on; 1'000'000 = full speed
                  // again. For the record only: policies are not told, they see what their jobs report
  preprocessing,  // value = CPU time (ns) of one core per sample that loading and preprocessing took, as a job that
                  // really trains measured it: mean over the launch so far
};
inline constexpr int kEventKinds = 27;

[[nodiscard]] std::string_view to_string(EventKind k);

struct Event {
  Time at{};
  EventKind kind = EventKind::timer;
  JobId job{};
  GangId gang{};
  Incarnation incarnation = 0;
  NodeId node{};
  std::int64_t value = 0;
  std::int64_t value2 = 0;
  const Allocation* gpus = nullptr;  // launch: what is taken; valid during the call that delivers the event
};

using EventMask = std::uint32_t;
[[nodiscard]] constexpr EventMask mask_of(EventKind k) {
  return EventMask{1} << static_cast<unsigned>(k);
}

// What policies may ask to be woken by.
inline constexpr EventMask kArrive = mask_of(EventKind::submit) | mask_of(EventKind::ready);
inline constexpr EventMask kEnd = mask_of(EventKind::finished);
inline constexpr EventMask kStop = mask_of(EventKind::stopped);
inline constexpr EventMask kFail =
    mask_of(EventKind::failed) | mask_of(EventKind::launch_failed) | mask_of(EventKind::called_off);
inline constexpr EventMask kCapacity = mask_of(EventKind::capacity);
inline constexpr EventMask kPublish = mask_of(EventKind::published);
inline constexpr EventMask kTimer = mask_of(EventKind::timer);
inline constexpr EventMask kProgress = mask_of(EventKind::progress);

// The job is the policy's to start (again), unless it has ended: the events by which a policy's queue grows.
[[nodiscard]] constexpr bool enters_queue(EventKind k) {
  return k == EventKind::ready || k == EventKind::failed || k == EventKind::launch_failed ||
         k == EventKind::called_off;
}

}  // namespace orrery
