#include "sim/api/predictor.hpp"

#include <algorithm>

namespace orrery {

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

}  // namespace orrery
