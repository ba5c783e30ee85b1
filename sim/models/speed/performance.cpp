#include "sim/models/speed/performance.hpp"

#include <fmt/format.h>

namespace orrery {

std::string PerformanceModel::unknown(const JobSpec& spec, const Shape& shape, const RunConfig& config) const {
  return fmt::format("job `{}` was put on {} GPU{}{}, which its speed model does not know", spec.name, shape.gpus(),
                     shape.gpus() == 1 ? "" : "s", batch_text(config));
}

std::string batch_text(const RunConfig& config) {
  std::string text;
  if (config.batch != 0) text = fmt::format(" with a batch of {}", config.batch);
  if (config.accumulation != 0)
    text += fmt::format("{} accumulated {} times", text.empty() ? " with gradients" : ",", config.accumulation);
  return text;
}

Speed IdealModel::speed(const JobSpec& spec, const Shape& shape, const RunConfig&, std::span<const JobId>) const {
  const std::int64_t requested = spec.demand.milli_gpus();
  const std::int64_t given = shape.milli_gpus();
  if (requested == given || requested == 0) return {kUnitRate};
  return {Rate{kUnitRate.per_billion * given / requested}};
}

}  // namespace orrery
