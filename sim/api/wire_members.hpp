// The names of all that a line of the wire says: the one list from which wire_write.cpp writes and wire_read.cpp
// reads (sim/api/members.hpp). A member without a name here does not compile.
#pragma once

#include <type_traits>

#include "sim/api/members.hpp"
#include "sim/api/wire.hpp"

namespace orrery {

template <>
inline constexpr auto kMemberNames<Demand> = member_names("gpus", "milli_per_gpu", "cpu_milli", "mem_bytes",
                                                          "gpu_types", "mig_slices");
template <>
inline constexpr auto kMemberNames<Dependency> = member_names("parent", "hard", "progress_per_mille");
template <>
inline constexpr auto kMemberNames<Version> = member_names("number", "progress_per_mille", "at");
template <>
inline constexpr auto kMemberNames<Estimate> = member_names("total");
template <>
inline constexpr auto kMemberNames<Measured> = member_names("at", "rate");
template <>
inline constexpr auto kMemberNames<JobSpec> = member_names("id", "name", "submit", "demand", "demand_class",
                                                           "min_gpus", "max_gpus", "tenant", "kind", "model",
                                                           "dataset", "user_estimate", "deadline", "weight", "batch",
                                                           "tflop", "after", "vcluster", "market", "bid_micro_per_h",
                                                           "speed_class", "cpu_sensitivity_per_mille",
                                                           "mem_sensitivity_per_mille", "features", "merging",
                                                           "phases", "bubbles", "fills");
template <>
inline constexpr auto kMemberNames<FeaturePass> = member_names("set", "time", "read", "bytes");
template <>
inline constexpr auto kMemberNames<Merging> = member_names("step_per_mille", "backbone_bytes", "own_bytes");
template <>
inline constexpr auto kMemberNames<JobPhase> = member_names("kind", "from_per_mille", "speed", "serial_per_mille",
                                                            "cpu_milli");
template <>
inline constexpr auto kMemberNames<BubbleWindow> = member_names("stage", "times", "length", "free_bytes");
template <>
inline constexpr auto kMemberNames<Bubbles> = member_names("step", "stages", "windows");
template <>
inline constexpr auto kMemberNames<FillWork> = member_names("unit", "gpu_bytes");
template <>
inline constexpr auto kMemberNames<NodeGroup> = member_names("name", "count", "gpus_per_node", "gpu", "cpu_milli",
                                                             "mem_bytes", "rack_size", "nvlink_bytes_per_s",
                                                             "nic_bytes_per_s", "uplink_bytes_per_s", "gpu_mem_bytes",
                                                             "price_micro_per_h", "idle_milliwatt", "busy_milliwatt",
                                                             "peak_gflop_per_s", "market", "vcluster", "mig_slices",
                                                             "gpu_speeds");
template <>
inline constexpr auto kMemberNames<GpuSpeeds> = member_names("speed_class", "per_mille");
template <>
inline constexpr auto kMemberNames<wire::Job> = member_names("id", "state", "spec", "ready", "incarnation",
                                                             "restarts", "waited", "ran", "attained", "attained_on",
                                                             "done", "rate", "committed", "estimate", "held",
                                                             "target", "measured", "cpu_per_sample", "versions",
                                                             "phase");
template <>
inline constexpr auto kMemberNames<wire::Hello> = member_names("seed", "gpu_types", "groups");
template <>
inline constexpr auto kMemberNames<wire::Answer> = member_names("epoch", "plan", "place", "in_order");

namespace wire {

template <class T>
inline constexpr bool kHasNames = !std::is_null_pointer_v<std::remove_const_t<decltype(kMemberNames<T>)>>;
// How many of its members, from the first on, are written whatever they are.
template <class T>
inline constexpr std::size_t kWritten = 0;
template <>
inline constexpr std::size_t kWritten<Job> = 2;
template <>
inline constexpr std::size_t kWritten<JobSpec> = 4;
template <>
inline constexpr std::size_t kWritten<Demand> = 1;
template <>
inline constexpr std::size_t kWritten<NodeGroup> = 4;
template <>
inline constexpr std::size_t kWritten<GpuSpeeds> = 2;
template <>
inline constexpr std::size_t kWritten<Hello> = 3;
template <>
inline constexpr std::size_t kWritten<Answer> = 1;

// Policies are told of no other kinds: what Orrery does about a plan is in the jobs' states.
constexpr bool is_told(EventKind k) {
  return k != EventKind::launch && k != EventKind::decide;
}

}  // namespace wire
}  // namespace orrery
