// What happened since the last decision, as backfilling sees it: which jobs wait, who holds what until when, and when
// those who hold something are expected to end.
#include <algorithm>
#include <functional>

#include "policies/parts/backfill.hpp"

namespace orrery {

// Gives a job its slot in the order of arrival; jobs are announced in that order, whenever they become ready.
void Backfill::announce(const JobView& v) {
  const std::size_t c = v.spec->demand_class.index();
  for (std::size_t fresh = classes_.size(); fresh <= c; ++fresh) {
    classes_.emplace_back();
    classes_.back().demand = (*view_demands_)[DemandClass(static_cast<std::uint32_t>(fresh))];
    by_size_.emplace_back(classes_.back().demand.milli_gpus(), fresh);
    std::sort(by_size_.begin(), by_size_.end(), std::greater<>());
  }
  plain_ = plain_ && v.spec->demand.plain();
  Job& j = job(v.id());
  j.announced = true;
  j.slot = classes_[c].waiting.append(v.id(), kForever);
  classes_[c].waiting.erase(j.slot);
}

void Backfill::enqueue(const JobView& v) {
  Job& j = job(v.id());
  class_of(v).waiting.reinsert(j.slot, run_time(v));
  j.where = Job::queued;
}

void Backfill::dequeue(const JobView& v) {
  Job& j = job(v.id());
  class_of(v).waiting.erase(j.slot);
  j.where = Job::nowhere;
}

void Backfill::hold(const JobView& v, Time from, Time to, const Allocation& where) {
  Job& j = job(v.id());
  j.start = from;
  j.end = to;
  if (counting())
    profile_.add(from, to, -v.spec->demand.milli_gpus());
  else
    table_->add(v.id(), from, to, where);
}

void Backfill::release(const JobView& v) {
  const Job& j = job(v.id());
  if (counting())
    profile_.add(j.start, j.end, v.spec->demand.milli_gpus());
  else
    table_->remove(v.id());
}

// A job no longer holds what was expected to be held until its expected end.
void Backfill::ended(const JobView& v, Time now) {
  Job& j = job(v.id());
  running_.erase({j.end, v.id()});
  release(v);
  if (j.end > now) freed(j.end);
  j.where = Job::nowhere;
}

void Backfill::freed(Time until) {
  compress_ = true;
  freed_until_ = std::max(freed_until_, until);
}

// Holds what it holds until `end` instead.
void Backfill::set_end(const JobView& v, Time end) {
  Job& j = job(v.id());
  if (counting()) {
    const std::int64_t milli = v.spec->demand.milli_gpus();
    profile_.add(std::min(j.end, end), std::max(j.end, end), end > j.end ? -milli : milli);
  } else {
    table_->set_end(v.id(), end);
  }
  if (end < j.end) {
    freed(j.end);
  } else {
    contradicted_ = true;
    freed(kNever);
  }
  j.end = end;
}

// A job runs from now on; what starting up took says when it will end, and how long others will take to start.
void Backfill::began(const ClusterView& view, const JobView& v, Time at) {
  Job& j = job(v.id());
  const Duration took = at - j.start;
  if (took != j.startup && j.end != kNever) {
    running_.erase({j.end, v.id()});
    set_end(v, j.end + (took - j.startup));
    running_.insert({j.end, v.id()});
    j.startup = took;
  }
  if (v.incarnation != 1 || took <= startup_) return;
  for (const auto& [id, start] : reserved_)
    if (job(id).end != kNever) set_end(view.job(id), job(id).end + (took - startup_));
  startup_ = took;
}

void Backfill::follow(const ClusterView& view, const Event& e) {
  if (const auto* capacity = e.get_if<event::Capacity>()) capacity_changed(view, capacity->node);
  if (!e.job.valid()) return;
  const JobView v = view.job(e.job);
  const Job::Where where = job(e.job).where;
  switch (e.kind()) {
    case EventKind::submit: announce(v); break;
    case EventKind::ready:
      if (!job(e.job).announced) announce(v);  // this object was made in the middle of a run
      if (v.target == nullptr && !is_final(v.state)) enqueue(v);
      break;
    case EventKind::started:
      if (where == Job::running) began(view, v, e.at);
      break;
    case EventKind::finished:
    case EventKind::failed:
    case EventKind::launch_failed:
    case EventKind::called_off:
    case EventKind::reject:
    case EventKind::cancel:
      if (where == Job::running) ended(v, view.now);
      if (where == Job::reserved) {
        freed(job(e.job).end);
        unreserve(v);
      }
      if (where == Job::queued) dequeue(v);
      job(e.job).where = Job::nowhere;
      if (!is_final(v.state) && v.target == nullptr) enqueue(v);
      break;
    default: break;
  }
}

void Backfill::capacity_changed(const ClusterView& view, NodeId node) {
  for (Class& c : classes_) c.possible = -1;
  if (counting()) {
    initialised_ = false;
    return;
  }
  table_->set_down(node, view.physical->is_down(node));
  contradicted_ = true;
  freed(kNever);
}

// What runs already when this object is made.
void Backfill::adopt_running(const ClusterView& view) {
  for (const JobView v : view.active()) {
    Job& j = job(v.id());
    if (j.where == Job::running) continue;
    j.where = Job::running;
    j.start = view.now;
    j.end = view.now + length(v);
    running_.insert({j.end, v.id()});
  }
}

// From scratch: at the first decision and after nodes came or went.
void Backfill::rebuild_profile(const ClusterView& view) {
  profile_.reset(view.now, view.physical->usable_gpus() * kMilliPerGpu);
  adopt_running(view);
  for (const auto& [end, id] : running_) profile_.add(view.now, end, -view.spec(id).demand.milli_gpus());
  for (const auto& [id, start] : reserved_) profile_.add(start, job(id).end, -view.spec(id).demand.milli_gpus());
  compress_ = contradicted_ = true;
}

// From now on, by place. Reservations so far were numbers, of plain demands under a placement that counts: one after
// the other in order of their starts, each finds as many GPUs as it was promised.
void Backfill::make_table(const ClusterView& view) {
  table_.emplace(*view.topology, view.now);
  for (std::uint32_t n = 0; n < view.topology->node_count(); ++n)
    table_->set_down(NodeId(n), view.physical->is_down(NodeId(n)));
  adopt_running(view);
  for (const auto& [end, id] : running_) {
    const Target* target = view.job(id).target;
    table_->add(id, job(id).start, end, target == nullptr ? Allocation{} : target->gpus);
  }
  for (const auto& [start, id] : due_) {
    Allocation where;
    const bool found = table_->fits(*placement_, view.spec(id).demand, start, job(id).end, where);
    contradicted_ = contradicted_ || !found;
    table_->add(id, start, job(id).end, where);
  }
  freed(kNever);
}

// How long a job that should have ended by now is expected to go on: for the rest of the work it claimed, as fast as
// it has been so far (it stood still for its saves, or its node is slow); where none is left, as long again.
Duration Backfill::more_time(const JobView& v, Duration held) {
  Duration more = held;
  if (v.estimate && v.done.ns > 0 && v.estimate->total.ns > v.done.ns) {
    const Int128 left = Int128{v.ran.ns} * (v.estimate->total.ns - v.done.ns) / v.done.ns;
    more = {static_cast<std::int64_t>(std::min<Int128>(left, kForever.ns))};
  }
  return std::max(seconds(1), more);
}

void Backfill::extend_overruns(const ClusterView& view) {
  while (!running_.empty() && running_.begin()->first <= view.now) {
    const JobView v = view.job(running_.begin()->second);
    running_.erase(running_.begin());
    Job& j = job(v.id());
    j.end = std::max(j.end, view.now);
    set_end(v, view.now + more_time(v, view.now - j.start));
    running_.insert({j.end, v.id()});
  }
}

}  // namespace orrery
