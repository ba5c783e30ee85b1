#include "sim/models/speed/performance.hpp"

namespace orrery {

Speed IdealModel::speed(const JobSpec& spec, const Shape& shape, const RunConfig&, std::span<const JobId>) const {
  const std::int64_t requested = spec.demand.milli_gpus();
  const std::int64_t given = shape.milli_gpus();
  if (requested == given || requested == 0) return {kUnitRate};
  return {Rate{kUnitRate.per_billion * given / requested}};
}

}  // namespace orrery
