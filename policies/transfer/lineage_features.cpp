#include "policies/transfer/lineage_features.hpp"

#include <algorithm>
#include <utility>

namespace orrery {

FeatureKey LineageFeatures::key_of(const ClusterView& view, JobId job, const LineageGains& gains) {
  const JobSpec& spec = view.spec(job);
  FeatureKey key{spec.features.set, JobId{}, 0};
  if (key.set == 0 || spec.after.empty()) return key;
  const LineageGains::Start start = LineageGains::start_of(view, spec, gains.choose(view, spec));
  if (start.edge == LineageGains::kNoEdge) return key;
  key.parent = spec.after[start.edge].parent;
  key.version = start.version;
  return key;
}

void LineageFeatures::follow(const ClusterView&, const Event& e) {
  if (!on_ || !e.job.valid()) return;
  switch (e.kind()) {
    case EventKind::features:
      if (e.get<event::Features>().use != FeatureUse::miss) forget(e.job);
      return;
    case EventKind::stopped:
    case EventKind::failed:
    case EventKind::launch_failed:
    case EventKind::called_off:
    case EventKind::finished:
    case EventKind::reject:
    case EventKind::cancel:
      forget(e.job);
      (void)drop(e.job);
      return;
    default: return;
  }
}

// It computes them no longer: they are there, or somebody else has to.
void LineageFeatures::forget(JobId computes) {
  const auto at = computes_.find(computes);
  if (at == computes_.end()) return;
  const FeatureKey key = at->second;
  computes_.erase(at);
  const auto all = computing_.find(key);
  all->second.erase(computes);
  if (all->second.empty()) computing_.erase(all);
  release(key);
}

void LineageFeatures::release(const FeatureKey& key) {
  const auto at = waiting_for_.find(key);
  if (at == waiting_for_.end()) return;
  for (const JobId job : at->second) {
    waiting_.erase(job);
    released_.push_back(job);
  }
  waiting_for_.erase(at);
}

bool LineageFeatures::drop(JobId job) {
  const auto at = waiting_.find(job);
  if (at == waiting_.end()) return false;
  const auto all = waiting_for_.find(at->second);
  all->second.erase(job);
  if (all->second.empty()) waiting_for_.erase(all);
  waiting_.erase(at);
  return true;
}

void LineageFeatures::doubt(JobId job) {
  if (drop(job)) released_.push_back(job);
}

void LineageFeatures::starts(const ClusterView& view, JobId job, const FeatureKey& key) {
  (void)drop(job);
  if (!on_ || key.set == 0 || view.job(job).done.ns > 0) return;
  if (view.features(job, key.parent, key.version) == FeatureState::stored) return;
  computing_[key].insert(job);
  computes_[job] = key;
}

std::optional<Reason> LineageFeatures::waits(const ClusterView& view, JobId job, const FeatureKey& key,
                                             const LineageWorth& worth, Duration latest) {
  const FeaturePass& pass = view.spec(job).features;
  if (!on_ || key.set == 0 || view.job(job).done.ns > 0) return std::nullopt;
  if (view.features(job, key.parent, key.version) == FeatureState::stored) return std::nullopt;
  const auto all = computing_.find(key);
  if (all == computing_.end()) return std::nullopt;
  JobId first{};
  LineageVersion soonest{kForever, pass.time - pass.read, 1000};
  for (const JobId other : all->second) {
    const JobView v = view.job(other);
    const Duration left{std::max<std::int64_t>(v.spec->features.time.ns - v.done.ns, 1)};
    if (left >= soonest.wait) continue;
    first = other;
    soonest.wait = left;
    if (v.estimate && v.estimate->total.ns > 0)
      soonest.per_mille = static_cast<std::int32_t>(
          std::min<Int128>(static_cast<Int128>(v.spec->features.time.ns) * 1000 / v.estimate->total.ns, 1000));
  }
  if (!worth_waiting_for({&soonest, 1}, worth, latest)) return std::nullopt;
  waiting_[job] = key;
  waiting_for_[key].insert(job);
  return Reason{job, ReasonCode::held, saved_per_100s(soonest), first, soonest.per_mille};
}

std::vector<JobId> LineageFeatures::take_released(const ClusterView& view, double gpu_price) {
  if (gpu_price <= 0)
    while (!waiting_for_.empty()) release(waiting_for_.begin()->first);
  const auto waits = [&view](JobId job) {
    return view.state(job) == JobState::pending && view.target(job) == nullptr;
  };
  std::erase_if(released_, [&](JobId job) { return !waits(job); });
  return std::exchange(released_, {});
}

}  // namespace orrery
