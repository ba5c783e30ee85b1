#include "sim/api/bubbles.hpp"

#include <algorithm>

namespace orrery {
namespace {

constexpr std::int64_t kPpm = 1'000'000;
constexpr std::int64_t kMostLoss = 1'000'000 * kPpm;  // a host stands still, or nearly

// Calls act(number of the GPU, slice, GPU) for all GPUs, in order.
template <class Act>
void for_gpus(const Allocation& held, Act act) {
  std::int64_t number = 0;
  for (const NodeSlice& s : held.slices())
    for (GpuMask rest = s.gpus; rest.any(); rest.drop_lowest()) act(number++, s, rest.lowest());
}

}  // namespace

Allocation stage_gpus(const Bubbles& bubbles, const Allocation& held, std::int32_t stage) {
  Allocation gpus;
  if (stage < 0 || stage >= bubbles.stages) return gpus;
  const std::int64_t all = held.gpu_count();
  const std::int64_t from = all * stage / bubbles.stages, to = all * (stage + 1) / bubbles.stages;
  NodeSlice slice;
  for_gpus(held, [&](std::int64_t number, const NodeSlice& s, int gpu) {
    if (number < from || number >= to) return;
    if (slice.gpus.any() && slice.node != s.node) {
      gpus.add(slice);
      slice = NodeSlice{};
    }
    slice.node = s.node;
    slice.gpus |= GpuMask::one(gpu);
  });
  if (slice.gpus.any()) gpus.add(slice);
  return gpus;
}

std::int32_t stage_of(const Bubbles& bubbles, const Allocation& held, const Allocation& gpus) {
  const std::int64_t all = held.gpu_count();
  std::int64_t found = 0;
  std::int64_t first = -1, last = -1;
  for_gpus(held, [&](std::int64_t number, const NodeSlice& s, int gpu) {
    for (const NodeSlice& own : gpus.slices()) {
      if (own.node != s.node || !own.gpus.has(gpu)) continue;
      ++found;
      if (first < 0) first = number;
      last = number;
    }
  });
  if (found == 0 || found != gpus.gpu_count()) return -1;
  for (std::int32_t stage = 0; stage < bubbles.stages; ++stage)
    if (const std::int64_t end = all * (stage + 1) / bubbles.stages; first < end) return last < end ? stage : -1;
  return -1;
}

bool share_gpus(const Allocation& a, const Allocation& b) {
  for (const NodeSlice& x : a.slices())
    for (const NodeSlice& y : b.slices())
      if (x.node == y.node && (x.gpus & y.gpus).any()) return true;
  return false;
}

StageUse stage_use(const Bubbles& bubbles, std::int32_t stage, const FillWork& work) {
  StageUse use;
  for (const BubbleWindow& w : bubbles.windows) {
    if (w.stage != stage) continue;
    use.idle += Duration{w.length.ns * w.times};
    if (work.unit.ns <= 0 || work.unit > w.length || (w.free_bytes > 0 && work.gpu_bytes > w.free_bytes)) continue;
    use.windows += w.times;
    use.work += Duration{w.length.ns / work.unit.ns * work.unit.ns * w.times};
  }
  return use;
}

Rate fill_rate(const Bubbles& bubbles, const StageUse& use, std::int32_t fill_per_mille) {
  if (!bubbles.any()) return {};
  const Int128 share = static_cast<Int128>(use.work.ns) * fill_per_mille * (kUnitRate.per_billion / kWholeFill);
  return std::min(Rate{static_cast<std::int64_t>(share / bubbles.step.ns)}, kUnitRate);
}

std::int64_t fill_loss_ppm(const Bubbles& bubbles, const StageUse& use, std::int32_t fill_per_mille,
                           const FillCost& cost) {
  if (!bubbles.any() || use.windows == 0) return 0;
  const Int128 switches = static_cast<Int128>(use.windows) * cost.switch_time.ns * kPpm / bubbles.step.ns;
  const Int128 loss = (switches + cost.interference_ppm) * fill_per_mille / kWholeFill;
  return static_cast<std::int64_t>(std::min<Int128>(loss, kMostLoss));
}

Rate after_loss(Rate rate, std::int64_t loss_ppm) {
  if (loss_ppm <= 0) return rate;
  return {static_cast<std::int64_t>(static_cast<Int128>(rate.per_billion) * kPpm / (kPpm + loss_ppm))};
}

}  // namespace orrery
