#include "policies/parts/strict_priority.hpp"

#include <algorithm>

#include "sim/core/assert.hpp"

namespace orrery {

StrictPriority::StrictPriority() = default;
StrictPriority::StrictPriority(const StrictPriority&) = default;
StrictPriority::StrictPriority(StrictPriority&&) noexcept = default;
StrictPriority& StrictPriority::operator=(const StrictPriority&) = default;
StrictPriority& StrictPriority::operator=(StrictPriority&&) noexcept = default;
StrictPriority::~StrictPriority() = default;

StrictPriority::Place& StrictPriority::place(JobId job) {
  if (job.index() >= place_.size()) place_.resize(std::max(job.index() + 1, 2 * place_.size()));
  return place_[job.index()];
}

bool StrictPriority::is_waiting(JobId job) const {
  return job.index() < place_.size() && place_[job.index()].where == Place::waiting;
}

StrictPriority::Running* StrictPriority::find_running(JobId job) {
  if (job.index() >= place_.size() || place_[job.index()].where != Place::running) return nullptr;
  return &running_[place_[job.index()].index];
}

void StrictPriority::to_waiting(const JobSpec& job, Rank rank) {
  Place& p = place(job.id);
  p.where = Place::waiting;
  p.rank = rank;
  waiting_.insert(job.demand_class, rank, job.id);
}

void StrictPriority::to_running(const JobSpec& job, Rank rank) {
  Place& p = place(job.id);
  p.where = Place::running;
  p.index = static_cast<std::uint32_t>(running_.size());
  Running r;
  r.job = job.id;
  r.gpus = job.demand.gpus;
  r.rank = rank;
  running_.push_back(r);
  ranked_.insert({rank, r.job, r.gpus, p.index});
}

// The caller says where it goes instead.
void StrictPriority::drop_running(JobId job) {
  const std::uint32_t at = place_[job.index()].index;
  ranked_.erase(running_[at].rank, job);
  if (at + 1 != running_.size()) {
    running_[at] = running_.back();
    place_[running_[at].job.index()].index = at;
    ranked_.change_slot(running_[at].rank, running_[at].job, at);
  }
  running_.pop_back();
}

void StrictPriority::rerank_running(JobId job, Rank rank) {
  const std::uint32_t at = place_[job.index()].index;
  Running& r = running_[at];
  ranked_.erase(r.rank, job);
  r.rank = rank;
  ranked_.insert({rank, job, r.gpus, at});
}

void StrictPriority::refresh(const ClusterView& view, JobId job) {
  if (find_running(job) != nullptr) refresh(view, job, view.job(job).remaining());
}

void StrictPriority::refresh(const ClusterView& view, JobId job, Duration remaining) {
  Running* r = find_running(job);
  if (r == nullptr) return;
  r->remaining = remaining;
  r->anchor = view.now;
  r->rate = view.job(job).pace();
}

Duration StrictPriority::remaining_at(const Running& r, Time now) {
  if (r.remaining == kForever) return r.remaining;
  const Duration left{r.remaining.ns - work_in(now - r.anchor, r.rate).ns};
  return std::max(left, Duration{1});
}

StrictPriority::Fate StrictPriority::follow(const ClusterView& view, const Event& e) {
  if (e.kind() == EventKind::capacity) capacity_changed();
  if (!e.job.valid()) return Fate::unchanged;
  const bool ends = e.kind() == EventKind::finished || e.kind() == EventKind::reject || e.kind() == EventKind::cancel;
  if (!ends && !enters_queue(e.kind())) return Fate::unchanged;
  remove(e.job);
  if (ends || is_final(view.state(e.job))) return Fate::ended;
  return view.target(e.job) == nullptr ? Fate::waits : Fate::runs;
}

void StrictPriority::add_waiting(const JobView& job, Rank rank) {
  plain_only_ = plain_only_ && job.spec->demand.plain();
  to_waiting(*job.spec, rank);
  arrivals_.push_back(job.id());
}

void StrictPriority::add_running(const JobView& job, Rank rank) {
  plain_only_ = plain_only_ && job.spec->demand.plain();
  to_running(*job.spec, rank);
  full_walk_ = true;
}

void StrictPriority::remove(JobId job) {
  if (job.index() >= place_.size()) return;
  Place& p = place_[job.index()];
  if (p.where == Place::waiting) {
    // The class is not stored; the queues are few, and removal of a waiting job (cancel, reject) is rare.
    for (std::uint32_t c = 0; c < waiting_.class_count(); ++c)
      if (waiting_.erase(DemandClass(c), p.rank, job)) break;
  } else if (p.where == Place::running) {
    drop_running(job);
    full_walk_ = true;
  }
  p.where = Place::nowhere;
}

void StrictPriority::rerank_waiting(const JobView& job, Rank rank) {
  Place& p = place(job.id());
  waiting_.erase(job.spec->demand_class, p.rank, job.id());
  to_waiting(*job.spec, rank);
}

bool StrictPriority::some_arrival_can_run(const ClusterView& view, const PlanBuilder& plan) const {
  for (const JobId job : arrivals_) {
    if (!is_waiting(job)) continue;
    const Rank rank = place_[job.index()].rank;
    const std::int32_t wanted = view.spec(job).demand.gpus;
    if (wanted <= plan.free().free_gpus() + ranked_.gpus_behind(rank)) return true;
  }
  return false;
}

// Counting placements and plain demands: only numbers of GPUs matter.
void StrictPriority::walk_counting(const ClusterView& view, const PlanBuilder& plan, const Admits& admits) {
  RankedRunning::Walk walk = ranked_.walk(plan.free().free_gpus() + ranked_.gpus());
  const auto preempt = [this](const RankedRunning::Item& item) { result_.preempted.push_back(item.job); };
  for (scan_.begin(waiting_); !scan_.done();) {
    ranked_.pass(walk, &scan_.head().first, preempt);
    const std::int32_t wanted = view.demands->operator[](scan_.head_class()).gpus;
    if (wanted > walk.free) {
      scan_.drop_class();
      continue;
    }
    const JobId job = scan_.head().second;
    scan_.take();
    if (admits && !admits(job)) continue;
    walk.free -= wanted;
    result_.started.push_back(job);
  }
  ranked_.pass(walk, nullptr, preempt);
}

void StrictPriority::apply(const ClusterView& view, PlanBuilder& plan, Placement& placement,
                           const Companions& companions) {
  for (const JobId job : result_.preempted) {
    plan.preempt(job);
    if (!companions) continue;
    for (const JobId other : companions(job)) plan.preempt(other);
  }
  for (const JobId job : result_.started) {
    const bool placed = plan.start(job, placement);
    ORRERY_ASSERT(placed, "{} could not place job {} at {} ns, though enough GPUs are free", placement.name(),
                  job.value, view.now.ns);
  }
}

// One that may be merged with others may be so wherever it is.
void StrictPriority::stays_merged(const ClusterView& view, JobId job, PlanBuilder& plan) {
  const Target* before = view.target(job);
  if (before == nullptr || before->sharing != Sharing::merged) return;
  const Allocation gpus = *plan.planned(job);
  plan.run(job, gpus, before->config, before->sharing, before->group);
}

// Any placement, any demand: candidates are placed for real, running jobs stay where they are if they can.
void StrictPriority::walk_general(const ClusterView& view, PlanBuilder& plan, Placement& placement,
                                  const Admits& admits, const Companions& companions) {
  in_order_.clear();
  room_.clear();
  ranked_.each([this](const RankedRunning::Item& item) {
    in_order_.push_back(item);
    room_.add(item.job, item.gpus);
  });
  scan_.begin(waiting_);
  for (std::size_t i = 0; i < in_order_.size() || !scan_.done();) {
    const bool waiting_first = !scan_.done() && (i == in_order_.size() || scan_.head().first < in_order_[i].rank);
    if (waiting_first) {
      const JobId job = scan_.head().second;
      if (admits && !admits(job)) {
        scan_.take();
        continue;
      }
      if (!room_.start(job, i, view, plan, placement, companions)) {
        scan_.drop_class();
        continue;
      }
      result_.started.push_back(job);
      scan_.take();
      continue;
    }
    const std::size_t visited = i++;
    if (room_.kept(visited)) continue;
    // Displaced by a job of higher rank: it moves, or it waits. With companions it waits.
    const JobId job = in_order_[visited].job;
    const bool alone = !companions || companions(job).empty();
    if (alone && room_.start(job, i, view, plan, placement, companions)) {
      room_.keep(visited);
      stays_merged(view, job, plan);
    } else {
      result_.preempted.push_back(job);
    }
  }
}

const StrictPriority::Result& StrictPriority::fill(const ClusterView& view, PlanBuilder& plan, Placement& placement,
                                                   bool sticky_ranks, const Admits& admits,
                                                   const Companions& companions) {
  result_.started.clear();
  result_.preempted.clear();
  const bool counting = placement.counting() && plain_only_;
  if (!full_walk_ && sticky_ranks && counting && !some_arrival_can_run(view, plan)) {
    arrivals_.clear();
    return result_;
  }
  arrivals_.clear();
  full_walk_ = false;
  if (counting) {
    walk_counting(view, plan, admits);
    apply(view, plan, placement, companions);
  } else {
    walk_general(view, plan, placement, admits, companions);
  }
  for (const JobId job : result_.started) {
    const JobSpec& spec = view.spec(job);
    const Rank rank = place_[job.index()].rank;
    waiting_.erase(spec.demand_class, rank, job);
    to_running(spec, rank);
  }
  for (const JobId job : result_.preempted) {
    const Rank rank = running_[place_[job.index()].index].rank;
    drop_running(job);
    to_waiting(view.spec(job), rank);
  }
  return result_;
}

}  // namespace orrery
