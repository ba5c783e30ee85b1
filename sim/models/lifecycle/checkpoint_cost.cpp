#include "sim/models/lifecycle/checkpoint_cost.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "sim/core/assert.hpp"
#include "sim/core/units.hpp"

namespace orrery {
namespace {

double bandwidth(double bytes_per_s) {
  return bytes_per_s > 0 ? bytes_per_s : std::numeric_limits<double>::infinity();
}

// What one of `nodes` has of the storage.
double storage_share(int nodes, const StorageCost& storage) {
  return std::min(bandwidth(storage.storage_bytes_per_s) / nodes, bandwidth(storage.node_bytes_per_s));
}

}  // namespace

double checkpoint_bytes(double parameters, double trained, bool for_use_only) {
  return 2 * parameters + (for_use_only ? 0 : 12 * trained);
}

SaveCost save_cost(double bytes, int nodes, const StorageCost& storage, bool asynchronous) {
  ORRERY_ASSERT(nodes >= 1, "{} nodes", nodes);
  const double part = bytes / nodes;
  const double copy = part / bandwidth(storage.device_bytes_per_s);
  const double write = part / std::min(bandwidth(storage.device_bytes_per_s), storage_share(nodes, storage));
  return asynchronous ? SaveCost{copy, copy + part / storage_share(nodes, storage)} : SaveCost{write, write};
}

double restart_s(const RestartCost& c, int ranks, double bytes, int nodes, const StorageCost& storage,
                 bool resident) {
  const double load = resident ? 0 : save_cost(bytes, nodes, storage, false).write_s;
  return c.detect_s + c.start_s + c.connect_s + c.connect_per_rank_s * ranks + load + c.wind_s + c.warm_up_s;
}

double young_interval_s(double save_s, double mtbf_s) {
  return std::sqrt(2 * save_s * mtbf_s);
}

double daly_interval_s(double save_s, double mtbf_s) {
  if (save_s >= 2 * mtbf_s) return mtbf_s;
  const double x = save_s / (2 * mtbf_s);
  return young_interval_s(save_s, mtbf_s) * (1 + std::sqrt(x) / 3 + x / 9) - save_s;
}

double expected_time_s(double work_s, double interval_s, double save_s, double restart_s, double mtbf_s) {
  const double a = std::exp(restart_s / mtbf_s);                // tidy: allow not in the event path
  const double b = std::expm1((interval_s + save_s) / mtbf_s);  // tidy: allow not in the event path
  return mtbf_s * a * b * work_s / interval_s;
}

double effective_time_ratio(int nodes, double failures_per_node_s, double restart_s, double interval_s,
                            double save_s) {
  const double lost = nodes * failures_per_node_s * (restart_s + interval_s / 2);
  return std::max(0.0, 1 - lost) / (1 + save_s / interval_s);
}

double lost_work_s(double interval_s, const SaveCost& save) {
  return interval_s / 2 + (save.write_s - save.stall_s);
}

Duration stands_still(Duration run, Duration every, Duration save, Duration publish,
                      std::span<const std::int32_t> points) {
  Int128 saves = 0, published = 0;
  std::int64_t from = 0;  // run by the last publication, with which the time to the next checkpoint begins anew
  if (publish.ns > 0)
    for (const std::int32_t point : points) {
      const auto at = static_cast<std::int64_t>(Int128{run.ns} * point / 1000);
      if (every.ns > 0) saves += (at - from) / every.ns;
      ++published;
      from = at;
    }
  if (every.ns > 0 && run.ns > from) saves += (run.ns - from - 1) / every.ns;
  constexpr Int128 kMost = kForever.ns / 4;
  return {static_cast<std::int64_t>(std::min(kMost, saves * save.ns + published * publish.ns))};
}

}  // namespace orrery
