#include "sim/models/lifecycle/feature_store.hpp"

#include <algorithm>

#include "sim/core/units.hpp"

namespace orrery {

Duration store_time(const FeatureStoreModel& model, std::int64_t bytes) {
  if (model.bytes_per_s <= 0) return {};
  const Int128 ns = (static_cast<Int128>(bytes) * kNsPerSecond + model.bytes_per_s - 1) / model.bytes_per_s;
  return {static_cast<std::int64_t>(std::min(ns, static_cast<Int128>(kForever.ns)))};
}

bool worth_storing(const FeatureStoreModel& model, std::int64_t bytes, Duration compute) {
  if (!model.on || bytes > model.limit_bytes) return false;
  const auto once = static_cast<double>(store_time(model, bytes).ns);
  return once + model.readers * once < model.readers * static_cast<double>(compute.ns);
}

}  // namespace orrery
