#include "policies/transfer/lineage_protocol.hpp"

#include <algorithm>
#include <utility>

namespace orrery {
namespace {

// Ranks before all others: of promoted jobs, in order of submission, then of those that have just started.
constexpr Rank kPromoted = -(static_cast<Rank>(1) << 110);
constexpr Rank kYoung = -(static_cast<Rank>(1) << 100);

}  // namespace

Lineage::Lineage(std::unique_ptr<Placement> placement, const LineageOptions& options)
    : placement_(std::move(placement)),
      options_(options),
      gains_(options.learn, options.gains),
      abort_(options.learn && options.abort),
      index_(options.alpha, options.beside),
      sizes_(options.sizes),
      holder_(options.hold),
      features_(options.hold),
      publisher_(options.publish),
      phases_(options.phases),
      promotion_(options.rho_max),
      young_(options.min_run),
      groups_(options.groups),
      bubbles_(options.bubbles) {}

void Lineage::schedule(const ClusterView& view, PlanBuilder& plan) {
  for (const Event& e : view.since_last) {
    groups_.follow(view, e);
    bubbles_.follow(view, e);
    gains_.follow(view, e);
    abort_.follow(view, e, gains_);
    if (options_.index) index_.follow(view, e, gains_);
    promotion_.follow(view, e);
    publisher_.follow(view, e, gains_);
    holder_.follow(view, e);
    features_.follow(view, e);
    phases_.follow(view, e);
  }
  const std::vector<JobId> believed = gains_.take_changed();
  for (const JobId job : believed) {
    holder_.doubt(job);
    features_.doubt(job);
  }
  if (options_.index)
    for (const JobId job : believed) index_.believed_anew(job);
  const std::vector<JobId>& changed = options_.index ? index_.update(view, gains_) : believed;
  publisher_.update(view, gains_, prices(view, plan), plan);
  const std::vector<JobId>& anew = abort_.apply(view, plan, gains_);
  for (const JobId job : anew) {
    young_.begins(job, view.now);
    leave_gang(view, plan, job);
  }
  for (const Event& e : view.since_last) sizes_.follow(view, e);
  if (sizes_.active())
    serve_sized(view, plan);
  else
    serve_in_order(view, plan, changed);
  for (const JobId job : anew)  // in bubbles, whose host leaves: when it starts again
    if (bubbles_.fills(job) && !bubbles_.stays(view, plan, job)) plan.preempt(job);
  ask(view, plan);
}

void Lineage::serve_in_order(const ClusterView& view, PlanBuilder& plan, const std::vector<JobId>& changed) {
  for (const Event& e : view.since_last) follow(view, e);
  follow_gangs(view);
  for (const JobId job : changed) rerank(view, job);
  for (const JobId job : promotion_.update(view)) {
    holder_.doubt(job);
    features_.doubt(job);
    rerank(view, job);
  }
  for (const JobId job : lapsed(view, plan)) come_back(view, job);
  if (young_.grow_up(view.now)) jobs_.rank_changed();
  jobs_.rerank_all_running([&](const StrictPriority::Running& r) { return rank(view, r); });
  price_ = demand_.price(*view.topology, plan.free().free_gpus());
  const auto admits = [&](JobId job) {
    return bubbles_.fills(job) ? leaves_bubbles(view, plan, job) : !is_held(view, job, plan);
  };
  bubbles_.adjust(view, plan);
  fill(view, plan, admits);
  if (merge(view, plan, admits)) fill(view, plan, admits);
  for (const JobId job : std::exchange(held_, {})) {  // aside, until it is to be asked again
    jobs_.remove(job);
    bubbles_.held(view.spec(job));
  }
  fill_bubbles(view, plan);
  withdraw_others(plan);
}

void Lineage::fill(const ClusterView& view, PlanBuilder& plan, const StrictPriority::Admits& admits) {
  const auto companions = [this](JobId job) { return groups_.companions(job); };
  const StrictPriority::Result& result = jobs_.fill(view, plan, *placement_, true, admits, companions);
  for (const JobId job : result.preempted) phases_.leaves(job);
  phases_.spread(view, plan, result.started, placement_->counting());
  for (const JobId job : result.started) {
    starts(view, job, plan);
    refresh(view, job);
  }
  for (const JobId job : result.preempted) {
    begins_to_wait(view, job);
    for (const JobId other : groups_.preempted(job)) {
      phases_.leaves(other);
      waits(view, other);
      jobs_.add_waiting(view.job(other), rank(view, other, remaining(view, other)));
    }
  }
}

void Lineage::serve_sized(const ClusterView& view, PlanBuilder& plan) {
  for (const Event& e : view.since_last) {
    if (!e.job.valid()) continue;
    if (is_final(view.state(e.job)))
      demand_.remove(view.spec(e.job));
    else if (enters_queue(e.kind()))
      waits(view, e.job);
  }
  bool promoted = false;
  for (const JobId job : promotion_.update(view)) {
    holder_.doubt(job);
    features_.doubt(job);
    promoted = true;
  }
  (void)lapsed(view, plan);
  if (young_.grow_up(view.now) || promoted) sizes_.reconsider();
  price_ = demand_.price(*view.topology, plan.free().free_gpus());
  LineageOpinion of;
  of.rank = [&](JobId job) { return rank(view, job, remaining(view, job)); };
  of.admits = [&](JobId job) { return !is_held(view, job, plan); };
  of.first = [&](JobId job) { return promotion_.promoted(job); };
  of.settled = [&](JobId job) { return young_.is_young(job, view.now); };
  of.whole = [&](JobId job) { return gains_.whole(view, view.job(job)); };
  of.waiters = [&](JobId job) { return index_.waiters(view, job); };
  const LineageSizes::Result& result = sizes_.decide(view, plan, *placement_, of);
  for (const JobId job : result.preempted) phases_.leaves(job);
  for (const JobId job : result.resized) phases_.leaves(job);
  placed_ = result.started;
  placed_.insert(placed_.end(), result.resized.begin(), result.resized.end());
  phases_.spread(view, plan, placed_, placement_->counting());
  for (const JobId job : result.started) starts(view, job, plan);
  for (const JobId job : result.preempted) waits(view, job);
  withdraw_others(plan);
  held_.clear();
}

void Lineage::waits(const ClusterView& view, JobId job) {
  bubbles_.waits(view.spec(job));
  demand_.add(view.spec(job));
  promotion_.waits(view.job(job));
}

void Lineage::starts(const ClusterView& view, JobId job, PlanBuilder& plan) {
  bubbles_.starts(view.spec(job));
  demand_.remove(view.spec(job));
  promotion_.runs(job);
  holder_.starts(job);
  features_.starts(view, job, LineageFeatures::key_of(view, job, gains_));
  young_.begins(job, view.now);
  RunConfig config = abort_.start(view, job, gains_);
  const bool alone = sizes_.active() || abort_.drops(job);
  if (const GroupId group = alone ? kNoGroup : groups_.begins(view, plan, job, config); group != kNoGroup) {
    const Allocation gpus = *plan.planned(job);
    plan.run(job, gpus, config, Sharing::merged, group);
  } else if (config != RunConfig{}) {
    plan.configure(job, config);
  }
}

Rank Lineage::rank(const ClusterView& view, JobId job, Duration left) const {
  const JobSpec& spec = view.spec(job);
  return promotion_.promoted(job) ? kPromoted + spec.submit.ns : index_.rank(spec, left);
}

Rank Lineage::rank(const ClusterView& view, const StrictPriority::Running& r) const {
  if (young_.is_young(r.job, view.now) && !promotion_.promoted(r.job)) return kYoung;
  Rank best = rank(view, r.job, StrictPriority::remaining_at(r, view.now));
  for (const JobId other : groups_.companions(r.job))  // a gang is served as the first of its members is
    best = std::min(best, young_.is_young(other, view.now) ? kYoung : rank(view, other, remaining(view, other)));
  return best;
}

LineagePrices Lineage::prices(const ClusterView& view, const PlanBuilder& plan) const {
  return {demand_.price(*view.topology, plan.free().free_gpus()),
          [this, &view](JobId job) { return index_.waiting_weight(view, job); }};
}

bool Lineage::merge(const ClusterView& view, PlanBuilder& plan, const StrictPriority::Admits& admits) {
  const auto settled = [&](JobId job) { return young_.is_young(job, view.now); };
  bool freed = false;
  const auto joins = [&](JobId job) { return !abort_.drops(job) && !bubbles_.fills(job) && admits(job); };
  const LineageGroups::Opinion of{gains_, jobs_, prices(view, plan).gpu, joins, settled};
  for (const LineageGroups::Merged& m : groups_.regroup(view, plan, of)) {
    jobs_.remove(m.job);
    if (m.waited) {
      bubbles_.starts(view.spec(m.job));
      demand_.remove(view.spec(m.job));
      promotion_.runs(m.job);
      holder_.starts(m.job);
      features_.starts(view, m.job, LineageFeatures::key_of(view, m.job, gains_));
      if (view.job(m.job).done.ns == 0) gains_.starts(view, m.job, m.config);
    } else {
      freed = true;
    }
    young_.begins(m.job, view.now);
  }
  follow_gangs(view);
  if (freed) jobs_.rank_changed();
  return freed;
}

void Lineage::leave_gang(const ClusterView& view, PlanBuilder& plan, JobId job) {
  if (bubbles_.fills(job)) return;
  if (groups_.drops(plan, job)) {
    jobs_.remove(job);
    waits(view, job);
    jobs_.add_waiting(view.job(job), rank(view, job, remaining(view, job)));
  } else if (!sizes_.active() && jobs_.find_running(job) == nullptr) {  // it has followed another one until now
    jobs_.add_running(view.job(job), 0);
    refresh(view, job);
  }
}

void Lineage::follow_gangs(const ClusterView& view) {
  for (const JobId leader : groups_.take_changed()) {
    if (jobs_.find_running(leader) == nullptr) jobs_.add_running(view.job(leader), 0);
    refresh(view, leader);
  }
}

Duration Lineage::remaining(const ClusterView& view, JobId job) const {
  return gains_.remaining(view, view.job(job));
}

void Lineage::refresh(const ClusterView& view, JobId job) {
  if (jobs_.find_running(job) != nullptr) jobs_.refresh(view, job, remaining(view, job));
}

void Lineage::rerank(const ClusterView& view, JobId job) {
  if (!jobs_.is_waiting(job)) {
    if (jobs_.find_running(job) != nullptr) jobs_.rank_changed();
    return;
  }
  jobs_.rank_changed();
  jobs_.rerank_waiting(view.job(job), rank(view, job, remaining(view, job)));
}

void Lineage::begins_to_wait(const ClusterView& view, JobId job) {
  waits(view, job);
  if (young_.is_young(job, view.now)) jobs_.rerank_waiting(view.job(job), rank(view, job, remaining(view, job)));
}

void Lineage::follow(const ClusterView& view, const Event& e) {
  follow_queue(view, e);
  if (e.job.valid() && !jobs_.is_waiting(e.job) && !holder_.asked(e.job) && !features_.asked(e.job))
    demand_.remove(view.spec(e.job));
}

void Lineage::follow_queue(const ClusterView& view, const Event& e) {
  switch (jobs_.follow(view, e)) {
    case StrictPriority::Fate::waits:
      waits(view, e.job);
      return jobs_.add_waiting(view.job(e.job), rank(view, e.job, remaining(view, e.job)));
    case StrictPriority::Fate::runs:
      if (groups_.follows(e.job)) return;
      jobs_.add_running(view.job(e.job), 0);
      return refresh(view, e.job);
    case StrictPriority::Fate::ended: return;
    case StrictPriority::Fate::unchanged: break;
  }
  if (e.kind() == EventKind::started || e.kind() == EventKind::resumed) young_.begins(e.job, e.at);
  if (e.kind() == EventKind::started || e.kind() == EventKind::resumed || e.kind() == EventKind::progress ||
      e.kind() == EventKind::assessed)
    refresh(view, e.job);
}

void Lineage::ask(const ClusterView& view, PlanBuilder& plan) const {
  const Time soonest = view.now + Duration{1};
  if (publisher_.next() != kNever) plan.wake_at(std::max(publisher_.next(), soonest));
  if (sizes_.active() && sizes_.next(view) != kNever) plan.wake_at(sizes_.next(view));
  if (groups_.next() != kNever) plan.wake_at(std::max(groups_.next(), soonest));
  if (sizes_.active() ? view.pending().empty() : jobs_.waiting().empty() && holder_.empty() && features_.empty())
    return;
  if (young_.next() != kNever) plan.wake_at(std::max(young_.next(), soonest));
  if (promotion_.next() != kNever) plan.wake_at(std::max(promotion_.next(), soonest));
}

}  // namespace orrery
