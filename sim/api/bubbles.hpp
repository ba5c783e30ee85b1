// What a filler gets of the bubbles of its host, and what it costs that one: the law that the simulated world follows
// (Bubbles and FillWork in sim/core/job.hpp; docs/lineage.md), and that a policy may believe in. Pure functions, all
// in integers.
//
// In a window of length l a filler with the unit of work u does floor(l / u) units, if the window's GPUs have the
// memory that it needs; so in every step of its host it gets
//     W = sum over the windows of its stage of times x floor(l / u) x u
// and uses a share f of the windows (RunConfig::fill_per_mille): its speed is f W / step of its speed alone. Every
// window that it uses costs the host a switch, and what runs beside it gets in its way, by a share i of its step
// while all its windows are used: a step with a filler takes 1 + f (i + n switch / step) steps alone, with n the
// windows of a step that it can use. Of several fillers the worst counts, since a step is as slow as its slowest GPU.
#pragma once

#include <cstdint>

#include "sim/core/allocation.hpp"
#include "sim/core/job.hpp"
#include "sim/core/units.hpp"

namespace orrery {

inline constexpr std::int32_t kWholeFill = 1000;  // RunConfig::fill_per_mille: all windows

// What filling costs hosts.
struct FillCost {
  Duration switch_time{};             // of every window that is used
  std::int64_t interference_ppm = 0;  // of the host's step, while all its windows are used
  friend bool operator==(const FillCost&, const FillCost&) = default;
};

// The GPUs of a stage, of what a job with these bubbles holds: those from n stage / stages on, of its n GPUs in the
// order of nodes and numbers. CPUs and memory are not in it. Empty: there is no such stage, or it has no GPU.
[[nodiscard]] Allocation stage_gpus(const Bubbles& bubbles, const Allocation& held, std::int32_t stage);

// The stage all of whose GPUs' windows `gpus` are in, of a host that holds `held`; -1: they are of several stages, or
// not all its GPUs.
[[nodiscard]] std::int32_t stage_of(const Bubbles& bubbles, const Allocation& held, const Allocation& gpus);

// Whether two jobs hold, or fill the bubbles of, one GPU.
[[nodiscard]] bool share_gpus(const Allocation& a, const Allocation& b);

// Per step of the host.
struct StageUse {
  std::int64_t windows = 0;  // that the unit fits
  Duration work{};           // W above
  Duration idle{};           // all windows of the stage, whether they fit or not
};
[[nodiscard]] StageUse stage_use(const Bubbles& bubbles, std::int32_t stage, const FillWork& work);

// The filler's speed over its speed alone, at most 1; 0 where nothing fits.
[[nodiscard]] Rate fill_rate(const Bubbles& bubbles, const StageUse& use, std::int32_t fill_per_mille);
// What the host's step takes more, in millionths of it.
[[nodiscard]] std::int64_t fill_loss_ppm(const Bubbles& bubbles, const StageUse& use, std::int32_t fill_per_mille,
                                         const FillCost& cost);
// A speed of which so much is lost: rate / (1 + loss).
[[nodiscard]] Rate after_loss(Rate rate, std::int64_t loss_ppm);

}  // namespace orrery
