#include "policies/transfer/lineage_promotion.hpp"

#include <algorithm>

namespace orrery {

LineagePromotion::Entry& LineagePromotion::entry(JobId job) {
  if (job.index() >= jobs_.size()) jobs_.resize(std::max(job.index() + 1, 2 * jobs_.size()));
  return jobs_[job.index()];
}

void LineagePromotion::follow(const ClusterView& view, const Event& e) {
  if (!e.job.valid()) return;
  Entry& j = entry(e.job);
  if (is_final(view.state(e.job))) {
    runs(e.job);
    if (j.counted) demand_ -= j.gpus;
    j.counted = false;
  } else if (e.kind() == EventKind::ready) {
    j.ready = e.at;
    j.gpus = view.spec(e.job).demand.gpus;
    if (!j.counted) demand_ += j.gpus;
    j.counted = true;
  }
}

// now - ready + left > rho_max x whole x load, solved for now.
Time LineagePromotion::due(const Entry& e) const {
  const Int128 allowed = static_cast<Int128>(e.whole.ns) * rho_max_ * load_ / 1'000'000;
  const Int128 at = e.ready.ns + allowed - e.left.ns + 1;
  return at >= kNever.ns ? kNever : Time{static_cast<std::int64_t>(at)};
}

void LineagePromotion::waits(const JobView& job) {
  Entry& j = entry(job.id());
  runs(job.id());
  if (rho_max_ == 0 || !job.estimate || j.promoted) return;
  j.whole = std::max(job.estimate->total, Duration{1});
  j.left = job.remaining();
  j.waiting = true;
  place(job.id());
}

void LineagePromotion::runs(JobId job) {
  Entry& j = entry(job);
  if (j.waiting) due_.erase({j.due, job});
  j.waiting = false;
}

void LineagePromotion::place(JobId job) {
  Entry& j = jobs_[job.index()];
  j.due = due(j);
  due_.emplace(j.due, job);
}

void LineagePromotion::follow_load(const ClusterView& view) {
  const std::int64_t usable = std::max<std::int64_t>(view.topology->total_gpus(), 1);
  const std::int64_t load = std::max<std::int64_t>(demand_ * 1000 / usable, 1000);
  if (load * 20 <= load_ * 21 && load * 20 >= load_ * 19) return;
  load_ = load;
  std::vector<JobId> waiting;
  for (const auto& [at, job] : due_) waiting.push_back(job);
  due_.clear();
  for (const JobId job : waiting) place(job);
}

const std::vector<JobId>& LineagePromotion::update(const ClusterView& view) {
  now_.clear();
  if (rho_max_ == 0) return now_;
  follow_load(view);
  while (!due_.empty() && due_.begin()->first <= view.now) {
    const JobId job = due_.begin()->second;
    due_.erase(due_.begin());
    jobs_[job.index()].waiting = false;
    jobs_[job.index()].promoted = true;
    now_.push_back(job);
  }
  return now_;
}

}  // namespace orrery
