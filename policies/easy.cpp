// Backfilling. One algorithm with one number, the reservation depth: the first `depth` jobs that cannot start get
// a reservation at the earliest time the availability profile allows; any later job may start now if that delays
// no reservation. Depth 1 is EASY (Lifka 1995), unlimited depth is conservative backfilling (Mu'alem and
// Feitelson 2001); policies.md 1.2 and 1.3.
//
// A job that outruns its estimate is expected to run as long again. When something ends early, reservations
// are re-placed one by one in order of arrival with the others in place, so none moves to a later time. With
// placements that do more than count GPUs, starts use the real placement, EASY's one reservation is tested with
// it too, and deeper reservations count GPUs.
#include <map>
#include <set>

#include "policies/factories.hpp"
#include "policies/parts/arrival_index.hpp"
#include "policies/parts/availability_profile.hpp"
#include "sim/core/assert.hpp"

namespace orrery {
namespace {

class Backfill final : public Policy {
 public:
  Backfill(std::unique_ptr<Placement> placement, std::size_t depth)
      : placement_(std::move(placement)), depth_(depth) {}
  [[nodiscard]] Capabilities capabilities() const override { return {.needs_estimates = true}; }
  void schedule(const ClusterView& view, PlanBuilder& plan) override;

 private:
  struct Job {
    enum Where : std::uint8_t { nowhere, queued, reserved, running } where = nowhere;
    bool announced = false;
    std::size_t slot = 0;  // in its class's ArrivalIndex, once announced
    Time start{};          // reserved: planned; running: real
    Time end{};            // expected
  };
  struct Class {
    std::int64_t milli = 0;
    ArrivalIndex waiting;
  };

  Job& job(JobId id) {
    if (id.index() >= jobs_.size()) jobs_.resize(std::max(id.index() + 1, 2 * jobs_.size()));
    return jobs_[id.index()];
  }
  static Duration length(const JobView& v) {
    return v.estimate ? Duration{std::max<std::int64_t>(1, v.estimate->total.ns - v.done.ns)} : kForever;
  }

  void follow(const ClusterView& view, const Event& e);
  void rebuild_profile(const ClusterView& view);
  void announce(const JobView& v);
  void enqueue(const JobView& v);
  void dequeue(JobId id, const JobView& v);
  void ended(JobId id, std::int64_t milli, Time now);
  void extend_overruns(const ClusterView& view);
  void replace_reservations(const ClusterView& view, PlanBuilder& plan);
  void start_or_reserve(const ClusterView& view, PlanBuilder& plan, const JobView& v);
  void run(const ClusterView& view, const JobView& v);
  void reserve(PlanBuilder& plan, const JobView& v, Time start);
  void unreserve(JobId id, const JobView& v);
  [[nodiscard]] JobId first_queued() const;
  [[nodiscard]] bool counts_only(const JobView& v) const { return placement_->counting() && v.spec->demand.plain(); }
  [[nodiscard]] Time earliest_by_placement(const ClusterView& view, PlanBuilder& plan, const JobView& v);
  [[nodiscard]] bool delays_head(const ClusterView& view, PlanBuilder& plan, Time end);
  void backfill(const ClusterView& view, PlanBuilder& plan);
  void measure_windows();

  std::unique_ptr<Placement> placement_;
  std::size_t depth_;
  const DemandTable* view_demands_ = nullptr;
  AvailabilityProfile profile_;
  std::vector<Job> jobs_;
  std::vector<Class> classes_;                                 // [demand class]
  std::vector<std::pair<std::int64_t, std::size_t>> by_size_;  // (milli, class), largest first
  std::vector<Duration> window_;              // [demand class]: how long that much is free from now on
  std::vector<char> blocked_;                 // [demand class]: the placement refused it in this scan
  std::set<std::pair<Time, JobId>> running_;  // by expected end
  std::map<JobId, Time> reserved_;            // in order of arrival -> planned start
  std::set<std::pair<Time, JobId>> due_;      // the same by planned start
  bool compress_ = false;                     // something changed that may move reservations
  bool initialised_ = false;
};

// Gives a job its slot in the order of arrival; jobs are announced in that order, whenever they become ready.
void Backfill::announce(const JobView& v) {
  const std::size_t c = v.spec->demand_class.index();
  for (std::size_t fresh = classes_.size(); fresh <= c; ++fresh) {
    classes_.emplace_back();
    classes_.back().milli = (*view_demands_)[DemandClass(static_cast<std::uint32_t>(fresh))].milli_gpus();
    by_size_.emplace_back(classes_.back().milli, fresh);
    std::sort(by_size_.begin(), by_size_.end(), std::greater<>());
    window_.push_back({});
    blocked_.push_back(0);
  }
  Job& j = job(v.id());
  j.announced = true;
  j.slot = classes_[c].waiting.append(v.id(), kForever);
  classes_[c].waiting.erase(j.slot);
}

void Backfill::enqueue(const JobView& v) {
  Job& j = job(v.id());
  classes_[v.spec->demand_class.index()].waiting.reinsert(j.slot, length(v));
  j.where = Job::queued;
}

void Backfill::dequeue(JobId id, const JobView& v) {
  classes_[v.spec->demand_class.index()].waiting.erase(job(id).slot);
}

// A job no longer holds what the profile thinks it holds until its expected end.
void Backfill::ended(JobId id, std::int64_t milli, Time now) {
  Job& j = job(id);
  running_.erase({j.end, id});
  if (j.end > now) {
    profile_.add(now, j.end, milli);
    compress_ = true;
  }
  j.where = Job::nowhere;
}

void Backfill::follow(const ClusterView& view, const Event& e) {
  if (e.kind == EventKind::capacity) initialised_ = false;
  if (!e.job.valid()) return;
  const JobView v = view.job(e.job);
  const Job::Where where = job(e.job).where;
  switch (e.kind) {
    case EventKind::submit: announce(v); break;
    case EventKind::ready:
      if (!job(e.job).announced) announce(v);  // this object was made in the middle of a run
      if (v.target == nullptr && !is_final(v.state)) enqueue(v);
      break;
    case EventKind::finished:
    case EventKind::failed:
    case EventKind::launch_failed:
    case EventKind::called_off:
    case EventKind::reject:
    case EventKind::cancel:
      if (where == Job::running) ended(e.job, v.spec->demand.milli_gpus(), view.now);
      if (where == Job::reserved) unreserve(e.job, v);
      if (where == Job::queued) dequeue(e.job, v);
      job(e.job).where = Job::nowhere;
      if (!is_final(v.state) && v.target == nullptr) enqueue(v);
      break;
    default: break;
  }
}

// From scratch: at the first decision and after nodes came or went.
void Backfill::rebuild_profile(const ClusterView& view) {
  std::int64_t usable = 0;
  for (std::uint32_t n = 0; n < view.topology->node_count(); ++n)
    if (!view.physical->is_down(NodeId(n))) usable += view.topology->node(NodeId(n)).gpus;
  profile_.reset(view.now, usable * kMilliPerGpu);
  for (const JobView v : view.active()) {
    Job& j = job(v.id());
    if (j.where != Job::running) {
      j.where = Job::running;
      j.start = view.now;
      j.end = view.now + length(v);
      running_.insert({j.end, v.id()});
    }
    profile_.add(view.now, j.end, -v.spec->demand.milli_gpus());
  }
  for (const auto& [id, start] : reserved_) {
    const JobView v = view.job(id);
    profile_.add(start, job(id).end, -v.spec->demand.milli_gpus());
  }
  compress_ = true;
  initialised_ = true;
}

void Backfill::extend_overruns(const ClusterView& view) {
  while (!running_.empty() && running_.begin()->first <= view.now) {
    const JobId id = running_.begin()->second;
    running_.erase(running_.begin());
    Job& j = job(id);
    j.end = view.now + std::max(seconds(1), view.now - j.start);
    profile_.add(view.now, j.end, -view.job(id).spec->demand.milli_gpus());
    running_.insert({j.end, id});
    compress_ = true;
  }
}

void Backfill::run(const ClusterView& view, const JobView& v) {
  Job& j = job(v.id());
  j.where = Job::running;
  j.start = view.now;
  j.end = view.now + length(v);
  running_.insert({j.end, v.id()});
  profile_.add(view.now, j.end, -v.spec->demand.milli_gpus());
}

void Backfill::reserve(PlanBuilder& plan, const JobView& v, Time start) {
  Job& j = job(v.id());
  j.where = Job::reserved;
  j.start = start;
  j.end = start + length(v);
  profile_.add(start, j.end, -v.spec->demand.milli_gpus());
  reserved_[v.id()] = start;
  due_.insert({start, v.id()});
  plan.reserve(v.id(), start);
  plan.reason(v.id(), ReasonCode::resources, plan.free().free_gpus());
}

void Backfill::unreserve(JobId id, const JobView& v) {
  Job& j = job(id);
  profile_.add(j.start, j.end, v.spec->demand.milli_gpus());
  due_.erase({j.start, id});
  reserved_.erase(id);
  compress_ = true;
}

// The first expected end at which the placement could put the job; its own kind of availability profile.
Time Backfill::earliest_by_placement(const ClusterView& view, PlanBuilder& plan, const JobView& v) {
  const PlanBuilder::Mark mark = plan.mark();
  Time found = kNever;
  for (const auto& [end, id] : running_) {
    if (plan.planned(id) != nullptr) plan.preempt(id);
    if (!plan.start(v.id(), *placement_)) continue;
    found = end;
    break;
  }
  plan.rollback(mark);
  return found == kNever ? view.now + seconds(1) : found;
}

void Backfill::start_or_reserve(const ClusterView& view, PlanBuilder& plan, const JobView& v) {
  Time start = profile_.earliest(v.spec->demand.milli_gpus(), length(v));
  if (start <= view.now) {
    if (plan.start(v.id(), *placement_)) {
      run(view, v);
      return;
    }
    // Enough GPUs, but not where the placement needs them.
    start = profile_.next_change() == kNever ? view.now + seconds(1) : profile_.next_change();
  }
  if (depth_ == 1 && !counts_only(v)) start = std::max(start, earliest_by_placement(view, plan, v));
  if (start == kNever) {  // capacity is down; asks again when it is back
    enqueue(v);
    blocked_[v.spec->demand_class.index()] = 1;
    return;
  }
  reserve(plan, v, start);
}

void Backfill::replace_reservations(const ClusterView& view, PlanBuilder& plan) {
  std::vector<JobId> order;
  if (compress_) {
    for (const auto& [id, start] : reserved_) order.push_back(id);
  } else {
    for (const auto& [start, id] : due_) {
      if (start > view.now) break;
      order.push_back(id);
    }
    std::sort(order.begin(), order.end());
  }
  compress_ = false;
  for (const JobId id : order) {
    const JobView v = view.job(id);
    unreserve(id, v);
    start_or_reserve(view, plan, v);
  }
  compress_ = false;
}

JobId Backfill::first_queued() const {
  JobId first;
  for (std::size_t c = 0; c < classes_.size(); ++c)
    if (blocked_[c] == 0) first = std::min(first, classes_[c].waiting.first_within(kForever));
  return first;
}

void Backfill::measure_windows() {
  std::size_t next = 0;
  const Time now = profile_.points().front().at;
  for (const AvailabilityProfile::Point& p : profile_.points()) {
    while (next < by_size_.size() && by_size_[next].first > p.free) window_[by_size_[next++].second] = p.at - now;
    if (next == by_size_.size()) return;
  }
  for (; next < by_size_.size(); ++next) window_[by_size_[next].second] = kForever;
}

// Whether the head's reservation, tested with the real placement, is lost by what the plan has just started.
bool Backfill::delays_head(const ClusterView& view, PlanBuilder& plan, Time end) {
  if (depth_ != 1 || reserved_.empty()) return false;
  const auto [head, start] = *reserved_.begin();
  if (end <= start || counts_only(view.job(head))) return false;
  const PlanBuilder::Mark mark = plan.mark();
  for (const auto& [other_end, id] : running_) {
    if (other_end > start) break;
    if (plan.planned(id) != nullptr) plan.preempt(id);
  }
  const bool fits = plan.start(head, *placement_);
  plan.rollback(mark);
  return !fits;
}

void Backfill::backfill(const ClusterView& view, PlanBuilder& plan) {
  for (;;) {
    measure_windows();
    JobId best;
    for (std::size_t c = 0; c < classes_.size(); ++c) {
      if (blocked_[c] != 0 || window_[c].ns == 0) continue;
      best = std::min(best, classes_[c].waiting.first_within(window_[c]));
    }
    if (!best.valid()) return;
    const JobView v = view.job(best);
    const PlanBuilder::Mark mark = plan.mark();
    if (plan.start(best, *placement_)) {
      if (!delays_head(view, plan, view.now + length(v))) {
        dequeue(best, v);
        run(view, v);
        continue;
      }
      plan.rollback(mark);
    }
    blocked_[v.spec->demand_class.index()] = 1;
  }
}

void Backfill::schedule(const ClusterView& view, PlanBuilder& plan) {
  view_demands_ = view.demands;
  if (initialised_) profile_.advance(view.now);
  for (const Event& e : view.since_last) follow(view, e);
  if (!initialised_) rebuild_profile(view);
  extend_overruns(view);
  std::fill(blocked_.begin(), blocked_.end(), 0);
  replace_reservations(view, plan);
  while (reserved_.size() < depth_) {
    const JobId id = first_queued();
    if (!id.valid()) break;
    const JobView v = view.job(id);
    dequeue(id, v);
    start_or_reserve(view, plan, v);
  }
  if (plan.free().free_gpus() > 0) backfill(view, plan);
  if (!due_.empty()) {
    const Time next = due_.begin()->first;
    plan.wake_at(next > view.now ? next : view.now + seconds(1));
  }
}

}  // namespace

std::unique_ptr<Policy> make_easy(PolicySetup setup, OptionReader& options) {
  const std::int64_t depth = options.integer("depth");
  return std::make_unique<Backfill>(std::move(setup.placement),
                                    static_cast<std::size_t>(std::max<std::int64_t>(1, depth)));
}

std::unique_ptr<Policy> make_conservative(PolicySetup setup, OptionReader&) {
  return std::make_unique<Backfill>(std::move(setup.placement), static_cast<std::size_t>(-1));
}

}  // namespace orrery
