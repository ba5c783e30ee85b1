// Who is held, by the protocol as a whole: a child for a version, a probe for features.
#include <utility>

#include "policies/transfer/lineage_protocol.hpp"

namespace orrery {

bool Lineage::is_held(const ClusterView& view, JobId job, PlanBuilder& plan) {
  if (!options_.hold || promotion_.promoted(job)) return false;
  return waits_for_version(view, job, plan) || waits_for_features(view, job, plan);
}

bool Lineage::waits_for_version(const ClusterView& view, JobId job, PlanBuilder& plan) {
  const JobSpec& spec = view.spec(job);
  if (spec.after.empty()) return false;
  if (holder_.stands(job)) return true;
  const Time promoted = promotion_.next_of(job);
  const LineageHolder::Price price{demand_.price(*view.topology, plan.free().free_gpus()),
                                   demand_.share(*view.topology, spec)};
  const auto held = holder_.holds(view, job, {gains_, index_, publisher_}, price,
                                  promoted == kNever ? kForever : promoted - view.now);
  if (options_.index && held) index_.hold(job, held->why.about, held->why.per_mille);
  if (options_.index && !held) index_.release(job);
  if (held && !held->said) plan.reason(held->why);
  if (held) held_.push_back(job);
  return held.has_value();
}

bool Lineage::waits_for_features(const ClusterView& view, JobId job, PlanBuilder& plan) {
  const JobSpec& spec = view.spec(job);
  if (spec.features.set == 0) return false;
  if (features_.stands(job)) return true;
  const LineageHolder::Price price{price_, demand_.share(*view.topology, spec)};
  const LineageWorth worth{spec.weight + index_.waiting_weight(view, job), price.of_others() * spec.demand.gpus};
  const Time promoted = promotion_.next_of(job);
  const FeatureKey key = LineageFeatures::key_of(view, job, gains_);
  const auto why = features_.waits(view, job, key, worth, promoted == kNever ? kForever : promoted - view.now);
  if (!why) {  // so that the next one of this decision may wait for it
    features_.starts(view, job, key);
    admitted_.push_back(job);
    return false;
  }
  plan.reason(*why);
  held_.push_back(job);
  return true;
}

void Lineage::withdraw_others(const PlanBuilder& plan) {
  for (const JobId job : std::exchange(admitted_, {}))
    if (plan.planned(job) == nullptr) features_.withdraw(job);
}

std::vector<JobId> Lineage::lapsed(const ClusterView& view, const PlanBuilder& plan) {
  const double price = demand_.price(*view.topology, plan.free().free_gpus());
  std::vector<JobId> all = holder_.take_lapsed(view.now, price);
  if (features_.empty() && !features_.any_released()) return all;
  const std::vector<JobId> released = features_.take_released(view, price);
  all.insert(all.end(), released.begin(), released.end());
  return all;
}

void Lineage::come_back(const ClusterView& view, JobId job) {
  if (jobs_.is_waiting(job)) return;
  jobs_.add_waiting(view.job(job), rank(view, job, remaining(view, job)));
  jobs_.rank_changed();
  bubbles_.waits(view.spec(job));
}

}  // namespace orrery
