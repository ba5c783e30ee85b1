#include "sim/api/predictor.hpp"

#include <algorithm>

namespace orrery {
namespace {

constexpr std::int64_t kWhole = 1000;  // per mille

// Their steps alone; one each where one of them is not known.
bool steps_known(std::span<const MergedPart> parts) {
  return std::all_of(parts.begin(), parts.end(), [](const MergedPart& p) { return p.alone.ns > 0; });
}

}  // namespace

Backbone backbone_of(const JobSpec& spec, const RunConfig& config) {
  if (spec.after.empty() || config.start_version == 0 || config.start_version == kFromBase) return {};
  return {config.start_parent.valid() ? config.start_parent : spec.after.front().parent, config.start_version,
          spec.model};
}

Duration Predictor::step_time(const JobSpec&, const Allocation&, const RunConfig&) const {
  return {};
}

std::optional<Work> Predictor::work_of(const JobSpec&) const {
  return std::nullopt;
}

Duration Predictor::time_for(const JobSpec& spec, Work work, const Shape& shape, const RunConfig&) const {
  const std::int32_t gpus = shape.gpus();
  if (gpus < 1) return kForever;
  const Int128 ns = static_cast<Int128>(work.ns) * std::max(spec.demand.gpus, 1) / gpus;
  return ns >= kForever.ns ? kForever : Duration{static_cast<std::int64_t>(ns)};
}

Int128 merged_step(std::span<const MergedPart> parts) {
  const bool known = steps_known(parts);
  const auto alone = [known](const MergedPart& p) { return known ? Int128{p.alone.ns} : Int128{1}; };
  Int128 sum = 0;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const MergedPart& p = parts[i];
    const auto same = [&p](const MergedPart& other) {
      return other.backbone.known() && other.backbone == p.backbone;
    };
    sum += alone(p) * (kWhole - p.shared_per_mille);
    if (std::any_of(parts.begin(), parts.begin() + static_cast<std::ptrdiff_t>(i), same)) continue;
    Int128 longest = alone(p) * p.shared_per_mille;
    for (const MergedPart& other : parts.subspan(i + 1))
      if (same(other)) longest = std::max(longest, alone(other) * other.shared_per_mille);
    sum += longest;
  }
  return sum;
}

Rate merged_speed(Rate alone, std::size_t own, std::span<const MergedPart> parts) {
  const Int128 step = steps_known(parts) ? Int128{parts[own].alone.ns} : Int128{1};
  return {static_cast<std::int64_t>(static_cast<Int128>(alone.per_billion) * step * kWhole / merged_step(parts))};
}

}  // namespace orrery
