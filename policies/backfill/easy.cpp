// Backfilling. One algorithm with one number, the reservation depth: the first `depth` jobs that cannot start get
// a reservation at the earliest time at which the placement can put them for their whole length; any later job may
// start now if that delays no reservation. Depth 1 is EASY (Lifka 1995), unlimited depth is conservative backfilling
// (Mu'alem and Feitelson 2001); docs/policies/backfilling.md.
//
// A promise is kept: while no node fails, no job outlives its estimate and none is preempted, no job starts after its
// first reservation. Where the placement only counts and every demand is a number of GPUs, a reservation is that
// number (availability_profile); else it is the very GPUs, CPUs and memory that the placement chose (timetable), and
// they are what the job starts on. When something ends early, reservations are re-placed one by one in order of
// arrival with the others in place, so none moves to a later time; where a job outran its estimate or a node failed
// and they cannot all be kept, those that cannot and all behind them are made anew.
//
// A job that outruns its estimate is expected to run as long again, unless work that it claimed is left. A job
// without an estimate is expected to run for ever. While the first job without a reservation waits for GPUs of a
// running one of unknown length, nobody passes it, since nobody could say that this does no harm; where it waits for
// a reserved one of unknown length, who passes it ends before that one starts.
#include <algorithm>

#include "policies/parts/backfill.hpp"
#include "policies/registry.hpp"

namespace orrery {

Timetable::Slot Backfill::earliest(const JobView& v) {
  if (!counting()) return table_->earliest(*placement_, v.spec->demand, length(v));
  return {profile_.earliest(v.spec->demand.milli_gpus(), length(v)), {}};
}

bool Backfill::launch(const ClusterView& view, PlanBuilder& plan, const JobView& v, const Allocation& where) {
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

void Backfill::reserve(PlanBuilder& plan, const JobView& v, const Timetable::Slot& slot, Time promised) {
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

// From the first reservation on that wants what somebody else holds by then, or what is down, all lose their places,
// to find others in order of arrival: with those behind it in place it could be put behind them all.
void Backfill::drop_contradicted(const ClusterView& view) {
  bool stands = true;
  for (const auto& [id, start] : reserved_) {
    const Allocation where = table_->find(id)->where;
    const Time end = job(id).end;
    table_->remove(id);
    stands = stands && !where.empty() && table_->free(where, std::max(start, view.now), end);
    table_->add(id, start, end, stands ? where : Allocation{});
  }
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
  // Its own place may be free by now where the placement would not give it any more: `buddy` wants whole blocks free
  // of which it takes a part, and others may have got the rest since.
  if (slot.start > view.now && table_->free(where, view.now, view.now + length(v))) slot = {view.now, where};
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
  const auto& points = profile_.points();
  const bool anew = contradicted_ && counting() &&
                    std::any_of(points.begin(), points.end(), [](const auto& p) { return p.free < 0; });
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
  if (anew)
    for (const JobId id : order) unreserve(view.job(id));
  for (const JobId id : order) {
    const JobView v = view.job(id);
    if (counting()) {
      if (!anew) unreserve(v);
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

namespace {

std::unique_ptr<Policy> make_easy(PolicySetup setup, OptionReader& options) {
  const std::int64_t depth = options.integer("depth");
  return std::make_unique<Backfill>(std::move(setup.placement),
                                    static_cast<std::size_t>(std::max<std::int64_t>(1, depth)));
}

std::unique_ptr<Policy> make_conservative(PolicySetup setup, OptionReader&) {
  return std::make_unique<Backfill>(std::move(setup.placement), static_cast<std::size_t>(-1));
}

}  // namespace

const PolicyInfo easy_policy = {
    .name = "easy",
    .title = "EASY backfilling: the first blocked job has a reservation, later ones may not delay it",
    .doc =
        "FIFO, and a reservation for the first job that does not fit at the earliest time the running jobs' "
        "estimates and the placement allow. Any later job may start if it fits now and delays no reservation. "
        "While the first one waits for a running job without an estimate, nobody passes it.",
    .source = "Lifka, JSSPP 1995; Mu'alem and Feitelson, TPDS 2001",
    .make = make_easy,
    .options = {{"depth", "integer", "1", "how many blocked jobs hold a reservation (1 = EASY)", {}, 1, kMany}},
    .conserves = Conserves::order,
    .capabilities = {.needs_estimates = true},
};

const PolicyInfo conservative_policy = {
    .name = "conservative",
    .title = "conservative backfilling: every blocked job has a reservation",
    .doc =
        "EASY with unlimited reservation depth. When a job ends early, reservations are re-placed one by one "
        "in order of submission with the others in place, so that none moves to a later time.",
    .source = "Mu'alem and Feitelson, TPDS 2001",
    .make = make_conservative,
    .conserves = Conserves::order,
    .capabilities = {.needs_estimates = true},
};

}  // namespace orrery
