#include "sim/models/speed/performance.hpp"

namespace orrery {

Rate IdealModel::rate(const JobSpec& spec, const Allocation& gpus, const RunConfig&, std::span<const JobId>) const {
  const std::int64_t requested = spec.demand.milli_gpus();
  const std::int64_t given = gpus.milli_gpus();
  if (requested == given || requested == 0) return kUnitRate;
  return {kUnitRate.per_billion * given / requested};
}

}  // namespace orrery
