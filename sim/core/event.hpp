// The event stream: the one record of everything that happens in a run, in either world. The first kinds come
// from executors and the job source and are what policies see; the rest record what the control plane did.
// Metrics, tables, the invariant checker and the stored log are folds over this stream. What an event says beside
// when and of whom is a struct of its kind; logs and journals write its members by their names
// (sim/api/event_members.hpp).
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>

#include "sim/core/allocation.hpp"
#include "sim/core/ids.hpp"
#include "sim/core/time.hpp"
#include "sim/core/units.hpp"
#include "sim/core/why.hpp"

namespace orrery {

enum class EventKind : std::uint8_t {
  // From the world. The order is the order within one instant: capacity comes back and jobs end before
  // anything new is considered; progress reports come before the ends that they precede.
  capacity,
  progress,
  checkpointed,
  published,
  finished,
  stopped,
  suspended,
  resumed,
  failed,
  launch_failed,
  command_failed,
  started,
  submit,
  ready,
  timer,
  // From the control plane.
  decide,
  launch,
  stop,
  suspend,
  resume,
  reject,
  cancel,
  reason,
  called_off,
  // From the world, like the first ones (here because the numbers of the others are in journals and fingerprints).
  inherited,
  slowed,
  preprocessing,
  reconfigured,
  assessed,
  features,
};

[[nodiscard]] std::string_view to_string(EventKind k);

// What events say, a struct for each kind. Work is of the job's whole life, in ns at the reference rate.
namespace event {

// A node's GPUs that are usable from now on: none while it is down.
struct Capacity {
  static constexpr EventKind kKind = EventKind::capacity;
  NodeId node{};
  std::int32_t usable = 0;
};
// `phase`: the one of its work that the job makes steps in from now on, from 0 (JobSpec::phases). It is said when
// that is another one than was said last, too. `rate`: its own measure of its speed since what it does, or who fills
// its bubbles, last changed; 0 = it does not measure: its speed is that between two reports.
struct Progress {
  static constexpr EventKind kKind = EventKind::progress;
  Work done{};
  std::int32_t phase = 0;
  Rate rate{};
};
// Work is safe in a checkpoint, for which the job stood still so long.
struct Checkpointed {
  static constexpr EventKind kKind = EventKind::checkpointed;
  Work committed{};
  Duration stood_still{};
};
// A version that others may start from: 1, 2, ... of the job, and how far the job was in it.
struct Published {
  static constexpr EventKind kKind = EventKind::published;
  std::int64_t version = 0;
  std::int32_t per_mille = 0;
};
struct Finished {
  static constexpr EventKind kKind = EventKind::finished;
};
// It holds nothing any more. `broken_off`, here and below: how long it had stood still for a checkpoint that was
// never completed.
struct Stopped {
  static constexpr EventKind kKind = EventKind::stopped;
  Work committed{};
  Duration broken_off{};
};
struct Suspended {
  static constexpr EventKind kKind = EventKind::suspended;
  Duration broken_off{};
};
struct Resumed {
  static constexpr EventKind kKind = EventKind::resumed;
};
// It holds nothing any more; `committed` survives. It is pending again, unless it has failed for good.
struct Failed {
  static constexpr EventKind kKind = EventKind::failed;
  Work committed{};
  Duration broken_off{};
  NodeId node{};          // valid: that node went down, which is not charged to the job
  bool for_good = false;  // its retry budget is spent
};
struct LaunchFailed : Failed {
  static constexpr EventKind kKind = EventKind::launch_failed;
};
struct CommandFailed {
  static constexpr EventKind kKind = EventKind::command_failed;
  Refusal why = Refusal::none;
};
// It begins to make progress.
struct Started {
  static constexpr EventKind kKind = EventKind::started;
};
struct Submit {
  static constexpr EventKind kKind = EventKind::submit;
  std::optional<Duration> estimate{};
};
// Its parents allow it to run.
struct Ready {
  static constexpr EventKind kKind = EventKind::ready;
};
// The wake-up that the policy asked for.
struct Timer {
  static constexpr EventKind kKind = EventKind::timer;
};
struct Decide {
  static constexpr EventKind kKind = EventKind::decide;
  std::uint64_t epoch = 0;
  std::uint32_t changes = 0;  // targets in the plan
};
// What is taken; valid during the call that delivers the event.
struct Launch {
  static constexpr EventKind kKind = EventKind::launch;
  const Allocation* gpus = nullptr;
  bool anew = false;  // what the job has done before is dropped (RunConfig::anew)
  // Valid: it fills bubbles of that job, whose GPUs these are; and so much of them (RunConfig::fill_per_mille).
  JobId host{};
  std::int32_t fill_per_mille = 0;
};
// The reconciler asks a gang to stop, to stand still, to go on.
struct Stop {
  static constexpr EventKind kKind = EventKind::stop;
};
struct Suspend {
  static constexpr EventKind kKind = EventKind::suspend;
};
struct Resume {
  static constexpr EventKind kKind = EventKind::resume;
};
struct Reject {
  static constexpr EventKind kKind = EventKind::reject;
  Rejection why = Rejection::none;
};
struct Cancel {
  static constexpr EventKind kKind = EventKind::cancel;
};
// Why a job waits.
struct WaitReason {
  static constexpr EventKind kKind = EventKind::reason;
  ReasonCode code = ReasonCode::none;
  std::int64_t argument = 0;
};
// The job has no target any more: it waited for GPUs of a node that went down, or (no node) it fills bubbles, or was
// to fill some, of a job that does not run there any longer. One that runs is asked to stop.
struct CalledOff {
  static constexpr EventKind kKind = EventKind::called_off;
  NodeId node{};
};
// It starts from what a parent published, which saves work against its base checkpoint; negative where it costs some.
struct Inherited {
  static constexpr EventKind kKind = EventKind::inherited;
  JobId parent{};
  Work saved{};
};
// A step on the node takes so many millionths of its time from now on; 1'000'000 = full speed again. For the record
// only: policies are not told, they see what their jobs report.
struct Slowed {
  static constexpr EventKind kKind = EventKind::slowed;
  NodeId node{};
  std::int64_t millionths = 0;
};
// CPU time of one core per sample that loading and preprocessing took, as a job that really trains measured it: mean
// over the launch so far.
struct Preprocessing {
  static constexpr EventKind kKind = EventKind::preprocessing;
  Duration cpu_per_sample{};
};
// It makes its steps with another global batch and accumulation from now on, as it was told to; 0 = its own. Of a
// filler also: how much of its host's bubbles it uses.
struct Reconfigured {
  static constexpr EventKind kKind = EventKind::reconfigured;
  std::int64_t batch = 0;
  std::int32_t accumulation = 0;
  std::int32_t fill_per_mille = 0;
};
// A child that started from what `parent` published has done its first epoch, and its progress was compared with that
// of such a job that starts from its base checkpoint: the epoch was worth so many of that one's, with a standard
// error, both in millionths of an epoch. Below 1 it gets on more slowly than from its base. That estimates (work from
// the base checkpoint) / (work from this version). How it is measured in either world: docs/lineage.md.
struct Assessed {
  static constexpr EventKind kKind = EventKind::assessed;
  JobId parent{};
  std::int64_t worth = 0;
  std::int64_t error = 0;
};

// What became of features in the store that all jobs share: those of a set (FeaturePass) by a version of a parent; no
// parent: by the base checkpoint. Of the job that reads, computes or keeps them; of no job where they are dropped. A
// hit and a miss come before the job's `start`, in live runs when it has looked. `time`, on what the job holds: of a
// hit, what reading them spares it; else what computing them takes or took it; 0 = not known.
struct Features {
  static constexpr EventKind kKind = EventKind::features;
  FeatureUse use = FeatureUse::hit;
  std::uint32_t set = 0;
  JobId parent{};
  std::uint32_t version = 0;
  Duration time{};
};

// In the order of EventKind.
using Payload = std::variant<Capacity, Progress, Checkpointed, Published, Finished, Stopped, Suspended, Resumed,
                             Failed, LaunchFailed, CommandFailed, Started, Submit, Ready, Timer, Decide, Launch, Stop,
                             Suspend, Resume, Reject, Cancel, WaitReason, CalledOff, Inherited, Slowed, Preprocessing,
                             Reconfigured, Assessed, Features>;

// An assertion that fails.
[[noreturn]] void taken_for_another(EventKind is, EventKind wanted);

}  // namespace event

inline constexpr std::size_t kEventKinds = std::variant_size_v<event::Payload>;

// Calls f.operator()<the struct of kind I>() ... for every kind, in order.
template <class F>
constexpr void for_each_payload(F&& f) {
  const auto all = [&]<std::size_t... I>(std::index_sequence<I...>) {
    (f.template operator()<std::variant_alternative_t<I, event::Payload>>(), ...);
  };
  all(std::make_index_sequence<kEventKinds>{});
}

static_assert([] {
  std::size_t kind = 0;
  bool in_order = true;
  for_each_payload([&]<class T>() { in_order = in_order && static_cast<std::size_t>(T::kKind) == kind++; });
  return in_order && static_cast<std::size_t>(EventKind::features) + 1 == kind;
}());

struct Event {
  Time at{};
  JobId job{};
  GangId gang{};
  Incarnation incarnation = 0;
  event::Payload what = event::Timer{};

  [[nodiscard]] EventKind kind() const { return static_cast<EventKind>(what.index()); }
  // What an event of this kind says; a null pointer of any other.
  template <class T>
  [[nodiscard]] const T* get_if() const {
    return std::get_if<T>(&what);
  }
  template <class T>
  [[nodiscard]] const T& get() const {
    const T* const is = std::get_if<T>(&what);
    if (is == nullptr) [[unlikely]]
      event::taken_for_another(static_cast<EventKind>(what.index()), T::kKind);
    return *is;
  }
};
static_assert(std::is_trivially_copyable_v<Event> && sizeof(Event) <= 56, "queues and batches copy them");

// What a failure says, of a launch or of what ran; null of other kinds.
[[nodiscard]] inline const event::Failed* failure_of(const Event& e) {
  if (e.kind() == EventKind::failed) return e.get_if<event::Failed>();
  return e.get_if<event::LaunchFailed>();
}

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
inline constexpr EventMask kAssess = mask_of(EventKind::assessed);

// The job is the policy's to start (again), unless it has ended: the events by which a policy's queue grows.
[[nodiscard]] constexpr bool enters_queue(EventKind k) {
  return k == EventKind::ready || k == EventKind::failed || k == EventKind::launch_failed ||
         k == EventKind::called_off;
}

}  // namespace orrery
