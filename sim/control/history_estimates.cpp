#include "sim/control/history_estimates.hpp"

namespace orrery {

void HistoryEstimates::on_event(const Event& e) {
  if (e.kind() != EventKind::finished) return;
  const JobRecord& r = (*records_)[e.job.index()];
  LastTwo& h = tenants_[r.spec->tenant];
  h.older = h.newer;
  h.newer = r.ran_before;
  h.count += 1;
  sum_ns_ += r.ran_before.ns;
  finished_ += 1;
}

std::optional<Duration> HistoryEstimates::estimate(const JobSpec& spec) const {
  const auto it = tenants_.find(spec.tenant);
  if (it != tenants_.end() && it->second.count == 1) return it->second.newer;
  if (it != tenants_.end()) return Duration{(it->second.newer.ns / 2) + (it->second.older.ns / 2)};
  if (spec.user_estimate) return spec.user_estimate;
  if (finished_ > 0) return Duration{static_cast<std::int64_t>(sum_ns_ / finished_)};
  return std::nullopt;
}

}  // namespace orrery
