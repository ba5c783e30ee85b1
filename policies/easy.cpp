// Backfilling. One algorithm with one number, the reservation depth: the first `depth` jobs that cannot start get
// a reservation at the earliest time at which the placement can put them for their whole length; any later job may
// start now if that delays no reservation. Depth 1 is EASY (Lifka 1995), unlimited depth is conservative backfilling
// (Mu'alem and Feitelson 2001); policies.md 1.2 and 1.3.
//
// A promise is kept: while no node fails, no job outlives its estimate and none is preempted, no job starts after its
// first reservation. Where the placement only counts and every demand is a number of GPUs, a reservation is that
// number (availability_profile); else it is the very GPUs, CPUs and memory that the placement chose (timetable), and
// they are what the job starts on. When something ends early, reservations are re-placed one by one in order of
// arrival with the others in place, so none moves to a later time.
//
// A job that outruns its estimate is expected to run as long again, unless work that it claimed is left. A job
// without an estimate is expected to run for ever. While the first job without a reservation waits for GPUs of a
// running one of unknown length, nobody passes it, since nobody could say that this does no harm; where it waits for
// a reserved one of unknown length, who passes it ends before that one starts.
#include "policies/factories.hpp"
#include "policies/parts/backfill.hpp"
#include "sim/core/assert.hpp"

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
  if (e.kind == EventKind::capacity) capacity_changed(view, e.node);
  if (!e.job.valid()) return;
  const JobView v = view.job(e.job);
  const Job::Where where = job(e.job).where;
  switch (e.kind) {
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
  for (const auto& [end, id] : running_) profile_.add(view.now, end, -view.job(id).spec->demand.milli_gpus());
  for (const auto& [id, start] : reserved_)
    profile_.add(start, job(id).end, -view.job(id).spec->demand.milli_gpus());
  compress_ = true;
}

// From now on, by place. Reservations so far were numbers, of plain demands under a placement that counts: one after
// the other in order of their starts, each finds as many GPUs as it was promised.
void Backfill::make_table(const ClusterView& view) {
  table_ = std::make_unique<Timetable>(*view.topology, view.now);
  for (std::uint32_t n = 0; n < view.topology->node_count(); ++n)
    table_->set_down(NodeId(n), view.physical->is_down(NodeId(n)));
  adopt_running(view);
  for (const auto& [end, id] : running_) {
    const Target* target = view.job(id).target;
    table_->add(id, job(id).start, end, target == nullptr ? Allocation{} : target->gpus);
  }
  for (const auto& [start, id] : due_) {
    Allocation where;
    const bool found = table_->fits(*placement_, view.job(id).spec->demand, start, job(id).end, where);
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

Timetable::Slot Backfill::earliest(const JobView& v) {
  if (!counting()) return table_->earliest(*placement_, v.spec->demand, length(v));
  return {profile_.earliest(v.spec->demand.milli_gpus(), length(v)), {}};
}

bool Backfill::launch(const ClusterView& view, PlanBuilder& plan, const JobView& v,
                      const Allocation& where) {
  const bool part = v.spec->demand.milli_per_gpu < kMilliPerGpu;
  const bool started = counting() ? plan.start(v.id(), *placement_)
                                  : plan.run(v.id(), where, {}, part ? Sharing::fraction : Sharing::exclusive);
  if (!started) return false;
  if (job(v.id()).where == Job::queued) dequeue(v);
  hold(v, view.now, view.now + length(v), where);
  job(v.id()).where = Job::running;
  job(v.id()).startup = startup_;
  running_.insert({job(v.id()).end, v.id()});
  return true;
}

void Backfill::reserve(PlanBuilder& plan, const JobView& v, const Timetable::Slot& slot,
                       Time promised) {
  hold(v, slot.start, slot.start + length(v), slot.where);
  job(v.id()).where = Job::reserved;
  reserved_[v.id()] = slot.start;
  due_.insert({slot.start, v.id()});
  if (slot.start == promised) return;
  plan.reserve(v.id(), slot.start);
  plan.reason(v.id(), ReasonCode::resources, plan.free().free_gpus());
}

void Backfill::unreserve(const JobView& v) {
  release(v);
  due_.erase({job(v.id()).start, v.id()});
  reserved_.erase(v.id());
  job(v.id()).where = Job::nowhere;
}

Backfill::Verdict Backfill::start_or_reserve(const ClusterView& view, PlanBuilder& plan, const JobView& v) {
  Timetable::Slot slot = earliest(v);
  if (slot.start == kNever) {
    enqueue(v);
    if (possible(view, class_of(v))) return Verdict::unknown_end;
    class_of(v).blocked = true;  // capacity is down; asks again when it is back
    return Verdict::no_capacity;
  }
  if (slot.start <= view.now) {
    if (launch(view, plan, v, slot.where)) return Verdict::started;
    slot.start = view.now + seconds(1);  // somebody else holds it: not one of ours
  }
  reserve(plan, v, slot);
  return Verdict::reserved;
}

// Takes away the places of reservations that somebody else holds by then, or that are down; each finds another.
void Backfill::drop_contradicted(const ClusterView& view) {
  for (const auto& [id, start] : reserved_) {
    const Allocation where = table_->find(id)->where;
    const Time end = job(id).end;
    table_->remove(id);
    const bool stands = !where.empty() && table_->free(where, std::max(start, view.now), end);
    table_->add(id, start, end, stands ? where : Allocation{});
  }
  contradicted_ = false;
}

// By place: what was promised stands unless something earlier is found, in a window in which something became free.
bool Backfill::move_forward(const ClusterView& view, PlanBuilder& plan, const JobView& v) {
  const Time promised = job(v.id()).start;
  const Time end = job(v.id()).end;
  const Allocation where = table_->find(v.id())->where;
  const Time before = std::min(promised, freed_until_);
  if (promised > view.now && before <= view.now && !where.empty()) return false;
  unreserve(v);
  if (where.empty()) {
    start_or_reserve(view, plan, v);
    return false;
  }
  if (promised <= view.now) {
    if (!launch(view, plan, v, where)) start_or_reserve(view, plan, v);
    return false;
  }
  Timetable::Slot slot = table_->earliest(*placement_, v.spec->demand, length(v), before);
  const bool found = slot.start != kNever;
  if (found)
    freed(end);
  else
    slot = {promised, where};
  if (slot.start > view.now || !launch(view, plan, v, slot.where)) reserve(plan, v, slot, promised);
  return found;
}

void Backfill::replace_reservations(const ClusterView& view, PlanBuilder& plan) {
  if (contradicted_ && !counting()) drop_contradicted(view);
  std::vector<JobId> order;
  Time passed_by = compress_ ? Time{} : freed_until_;  // became free after some had had their turn
  if (compress_) {
    for (const auto& [id, start] : reserved_) order.push_back(id);
  } else {
    for (const auto& [start, id] : due_) {
      if (start > view.now) break;
      order.push_back(id);
    }
    std::sort(order.begin(), order.end());
  }
  for (const JobId id : order) {
    const JobView v = view.job(id);
    if (counting()) {
      unreserve(v);
      start_or_reserve(view, plan, v);
    } else {
      const Time end = job(id).end;
      if (move_forward(view, plan, v)) passed_by = std::max(passed_by, end);
    }
  }
  compress_ = contradicted_ = false;
  freed_until_ = passed_by;
}

JobId Backfill::first_queued() const {
  JobId first;
  for (const Class& c : classes_)
    if (!c.blocked) first = std::min(first, c.waiting.first_within(kForever));
  return first;
}

bool Backfill::possible(const ClusterView& view, Class& c) {
  if (c.possible < 0) {
    Inventory idle(*view.topology);
    for (std::uint32_t n = 0; n < view.topology->node_count(); ++n)
      if (view.physical->is_down(NodeId(n))) idle.set_down(NodeId(n), true);
    Allocation where;
    c.possible = placement_->place(c.demand, idle, where) ? 1 : 0;
  }
  return c.possible == 1;
}

// When a job that passes this one must have ended: this one fits at no time that is known.
Time Backfill::unknown_end(const ClusterView& view, const JobView& v) {
  std::vector<JobView> reserved;  // of unknown length
  Time first = kNever;
  for (const auto& [id, start] : reserved_) {
    if (job(id).end != kNever) continue;
    reserved.push_back(view.job(id));
    first = std::min(first, start);
  }
  if (reserved.empty()) return view.now;
  std::vector<Allocation> where(counting() ? 0 : reserved.size());
  for (std::size_t i = 0; i < reserved.size(); ++i) {
    if (!counting()) where[i] = table_->find(reserved[i].id())->where;
    release(reserved[i]);
  }
  Allocation anywhere;
  const bool fits = counting() ? profile_.points().back().free >= v.spec->demand.milli_gpus()
                               : table_->fits(*placement_, v.spec->demand, Timetable::kEnd, kNever, anywhere);
  for (std::size_t i = 0; i < reserved.size(); ++i) {
    const Job& j = job(reserved[i].id());
    hold(reserved[i], j.start, j.end, counting() ? Allocation{} : where[i]);
  }
  return fits ? first : view.now;
}

void Backfill::schedule(const ClusterView& view, PlanBuilder& plan) {
  view_demands_ = view.demands;
  if (initialised_ && counting()) profile_.advance(view.now);
  if (!counting()) table_->advance(view.now);
  for (const Event& e : view.since_last) follow(view, e);
  if (counting() && !(plain_ && placement_->counting()))
    make_table(view);
  else if (counting() && !initialised_)
    rebuild_profile(view);
  initialised_ = true;
  extend_overruns(view);
  for (Class& c : classes_) c.blocked = false;
  replace_reservations(view, plan);
  Time passing_ends = kNever;
  while (reserved_.size() < depth_) {
    const JobId id = first_queued();
    if (!id.valid()) break;
    const JobView v = view.job(id);
    dequeue(v);
    if (start_or_reserve(view, plan, v) != Verdict::unknown_end) continue;
    plan.reason(id, ReasonCode::resources, plan.free().free_gpus());
    passing_ends = unknown_end(view, v);
    break;
  }
  const Duration longest = passing_ends == kNever ? kForever : passing_ends - view.now;
  if (longest.ns > 0) {
    if (!counting())
      scan_by_place(view, plan, longest);
    else if (plan.free().free_gpus() > 0)
      scan_by_number(view, plan, longest);
  }
  if (!due_.empty()) {
    const Time next = due_.begin()->first;
    plan.wake_at(next > view.now ? next : view.now + seconds(1));
  }
}

std::unique_ptr<Policy> make_easy(PolicySetup setup, OptionReader& options) {
  const std::int64_t depth = options.integer("depth");
  return std::make_unique<Backfill>(std::move(setup.placement),
                                    static_cast<std::size_t>(std::max<std::int64_t>(1, depth)));
}

std::unique_ptr<Policy> make_conservative(PolicySetup setup, OptionReader&) {
  return std::make_unique<Backfill>(std::move(setup.placement), static_cast<std::size_t>(-1));
}

}  // namespace orrery
