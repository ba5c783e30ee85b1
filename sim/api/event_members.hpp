// The names of all that an event says, by kind: the members of the stored log's lines
// (sim/observe/log/event_log.hpp), and what a journal, a digest or a test goes through. A member without a name here
// does not compile.
#pragma once

#include "sim/api/members.hpp"
#include "sim/core/event.hpp"

namespace orrery {

template <>
inline constexpr auto kMemberNames<event::Capacity> = member_names("node", "usable");
template <>
inline constexpr auto kMemberNames<event::Progress> = member_names("done", "phase", "rate");
template <>
inline constexpr auto kMemberNames<event::Checkpointed> = member_names("committed", "stood_still");
template <>
inline constexpr auto kMemberNames<event::Published> = member_names("version", "per_mille");
template <>
inline constexpr auto kMemberNames<event::Finished> = member_names();
template <>
inline constexpr auto kMemberNames<event::Stopped> = member_names("committed", "broken_off");
template <>
inline constexpr auto kMemberNames<event::Suspended> = member_names("broken_off");
template <>
inline constexpr auto kMemberNames<event::Resumed> = member_names();
template <>
inline constexpr auto kMemberNames<event::Failed> = member_names("committed", "broken_off", "node", "for_good");
template <>
inline constexpr auto kMemberNames<event::LaunchFailed> = kMemberNames<event::Failed>;
template <>
inline constexpr auto kMemberNames<event::CommandFailed> = member_names("why");
template <>
inline constexpr auto kMemberNames<event::Started> = member_names();
template <>
inline constexpr auto kMemberNames<event::Submit> = member_names("estimate");
template <>
inline constexpr auto kMemberNames<event::Ready> = member_names();
template <>
inline constexpr auto kMemberNames<event::Timer> = member_names();
template <>
inline constexpr auto kMemberNames<event::Decide> = member_names("epoch", "changes");
template <>
inline constexpr auto kMemberNames<event::Launch> = member_names("gpus", "anew", "host", "fill_per_mille");
template <>
inline constexpr auto kMemberNames<event::Stop> = member_names();
template <>
inline constexpr auto kMemberNames<event::Suspend> = member_names();
template <>
inline constexpr auto kMemberNames<event::Resume> = member_names();
template <>
inline constexpr auto kMemberNames<event::Reject> = member_names("why");
template <>
inline constexpr auto kMemberNames<event::Cancel> = member_names();
template <>
inline constexpr auto kMemberNames<event::WaitReason> = member_names("code", "argument");
template <>
inline constexpr auto kMemberNames<event::CalledOff> = member_names("node");
template <>
inline constexpr auto kMemberNames<event::Inherited> = member_names("parent", "saved");
template <>
inline constexpr auto kMemberNames<event::Slowed> = member_names("node", "millionths");
template <>
inline constexpr auto kMemberNames<event::Preprocessing> = member_names("cpu_per_sample");
template <>
inline constexpr auto kMemberNames<event::Reconfigured> = member_names("batch", "accumulation", "fill_per_mille");
template <>
inline constexpr auto kMemberNames<event::Assessed> = member_names("parent", "worth", "error");
template <>
inline constexpr auto kMemberNames<event::Features> = member_names("use", "set", "parent", "version", "time");

// How many of them, from the first on, a line of the log always has; the others where they are not their defaults.
template <class T>
inline constexpr std::size_t kAlways = kMemberNames<T>.size();
template <>
inline constexpr std::size_t kAlways<event::Progress> = 1;
template <>
inline constexpr std::size_t kAlways<event::Checkpointed> = 1;
template <>
inline constexpr std::size_t kAlways<event::Stopped> = 1;
template <>
inline constexpr std::size_t kAlways<event::Suspended> = 0;
template <>
inline constexpr std::size_t kAlways<event::Failed> = 1;
template <>
inline constexpr std::size_t kAlways<event::LaunchFailed> = 1;
template <>
inline constexpr std::size_t kAlways<event::CommandFailed> = 0;
template <>
inline constexpr std::size_t kAlways<event::Submit> = 0;
template <>
inline constexpr std::size_t kAlways<event::Launch> = 0;
template <>
inline constexpr std::size_t kAlways<event::CalledOff> = 0;
template <>
inline constexpr std::size_t kAlways<event::Reconfigured> = 2;
template <>
inline constexpr std::size_t kAlways<event::Features> = 2;

}  // namespace orrery
