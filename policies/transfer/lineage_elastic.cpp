#include "policies/transfer/lineage_elastic.hpp"

#include <algorithm>
#include <tuple>
#include <utility>

#include "policies/parts/marginal_gain.hpp"
#include "policies/transfer/lineage_phases.hpp"

namespace orrery {
namespace {

constexpr double kLeastTime = 1;      // s: what ends sooner is as short
constexpr double kFirstRestart = 60;  // s, before one was seen
constexpr double kPays = 3;           // restarts that another number must save

double saved_s(Duration now, Duration then) {
  return now == kForever || then == kForever ? 0 : to_seconds(now - then);
}

}  // namespace

LineageSizes::Known& LineageSizes::known(JobId job) {
  if (job.index() >= known_.size()) known_.resize(std::max(job.index() + 1, 2 * known_.size()));
  return known_[job.index()];
}

void LineageSizes::follow(const ClusterView& view, const Event& e) {
  if (!options_.on) return;
  changed_ = true;
  if (!e.job.valid()) return;
  const JobSpec& spec = view.spec(e.job);
  if (e.kind() == EventKind::submit && spec.min_gpus < spec.max_gpus) active_ = true;
  if (e.kind() == EventKind::started) {
    Known& k = known(e.job);
    if (k.launched.ns >= 0 && view.job(e.job).incarnation > 1) {
      restart_s_ += to_seconds(e.at - k.launched);
      ++restarts_;
    }
    k.launched = Time{-1};
  }
  if (is_final(view.state(e.job))) starter_.set_waiting(spec, false);
}

Time LineageSizes::next(const ClusterView& view) const {
  if (view.pending().empty() && view.active().empty()) return kNever;
  if (!changed_) return kNever;
  return std::max(last_ + options_.every, view.now + Duration{1});
}

// All that want GPUs, in order of rank.
void LineageSizes::collect(const ClusterView& view, const LineageOpinion& of) {
  wanting_jobs(view, ids_);
  jobs_.clear();
  for (const JobId id : ids_) {
    const auto size = sized(view, id);
    if (!size) continue;
    Job j;
    static_cast<SizedJob&>(j) = *size;
    j.rank = of.rank(id);
    j.weight = view.spec(id).weight;
    const bool rests = j.before > 0 && known(id).resized.ns >= 0 && view.now - known(id).resized < options_.rest;
    if (of.first(id))
      j.turn = Job::Turn::first;
    else if (j.before > 0 && (rests || of.settled(id)))
      j.turn = Job::Turn::fixed;
    if (j.turn == Job::Turn::fixed || (j.before > 0 && rests)) j.least = j.most = j.before;
    if (j.most > j.least) j.waiters = of.waiters(id);
    jobs_.push_back(std::move(j));
  }
  std::stable_sort(jobs_.begin(), jobs_.end(),
                   [](const Job& a, const Job& b) { return std::tie(a.turn, a.rank) < std::tie(b.turn, b.rank); });
}

// What is left of it, as is believed: by what was learned of its parents; else by its profile, or claim.
std::optional<Work> LineageSizes::left(const ClusterView& view, const JobView& v, const LineageOpinion& of) {
  const Duration whole = v.spec->after.empty() ? kForever : of.whole(v.id());
  if (whole == kForever) return view.work_after(v, v.done);
  return Work{std::max<std::int64_t>(whole.ns - v.done.ns, 1)};
}

// What one GPU more saves.
double LineageSizes::gain(const ClusterView& view, const Job& j, const LineageOpinion& of) const {
  if (j.gpus >= j.most) return 0;
  const JobView v = view.job(j.id);
  const auto rest = left(view, v, of);
  if (!rest) return 0;
  const Work whole = v.done + *rest;
  const auto saves = [&](Work work) {
    const Duration now = time_by_phases(view, v, whole, work, j.gpus);
    const double saved = saved_s(now, time_by_phases(view, v, whole, work, j.gpus + 1));
    return options_.seconds ? saved : saved / std::max(to_seconds(now), kLeastTime);
  };
  double sum = j.weight * saves(*rest);
  for (const LineageWaiter& w : j.waiters) {
    const auto at = static_cast<std::int64_t>(static_cast<Int128>((v.done + *rest).ns) * w.per_mille / 1000);
    if (at > v.done.ns) sum += w.weight * saves(Work{at - v.done.ns});
  }
  return sum;
}

bool LineageSizes::pays(const ClusterView& view, const Job& j, const LineageOpinion& of) const {
  const JobView v = view.job(j.id);
  const double restart = (kFirstRestart + restart_s_) / static_cast<double>(1 + restarts_);
  const auto rest = left(view, v, of);
  if (!rest) return false;
  const Work whole = v.done + *rest;
  return saved_s(time_by_phases(view, v, whole, *rest, j.before), time_by_phases(view, v, whole, *rest, j.gpus)) >=
         kPays * restart;
}

void LineageSizes::give(const ClusterView& view, std::int64_t left, const LineageOpinion& of) {
  const auto gains = [&](const Job& j) { return gain(view, j, of); };
  give_by_gain(jobs_, left, gains, gains, [&of](const Job& j) { return j.before > 0 || of.admits(j.id); });
}

void LineageSizes::apply(const ClusterView& view, PlanBuilder& plan, Placement& placement, const LineageOpinion& of) {
  for (Job& j : jobs_) {
    if (j.before > 0 && j.gpus > j.before && !pays(view, j, of)) j.gpus = j.before;
    if (j.before > 0 && j.gpus != j.before) plan.preempt(j.id);
  }
  std::stable_sort(jobs_.begin(), jobs_.end(), [](const Job& a, const Job& b) { return a.gpus > b.gpus; });
  for (Job& j : jobs_) {
    if (j.before > 0 && j.before == j.gpus) continue;
    if (j.gpus > 0) j.gpus = std::max(start_sized(plan, placement, j.id, j.gpus, j.least), 0);
    starter_.set_waiting(view.spec(j.id), j.gpus == 0, j.gpus == 0 ? of.rank(j.id) : Rank{});
    if (j.gpus > 0) {
      known(j.id).launched = view.now;
      if (j.before > 0) known(j.id).resized = view.now;
    }
    if (j.gpus > 0 && j.before == 0) result_.started.push_back(j.id);
    if (j.gpus > 0 && j.before > 0) result_.resized.push_back(j.id);
    if (j.gpus == 0 && j.before > 0) result_.preempted.push_back(j.id);
  }
}

// Between two decisions on sizes: on the least number, in order of rank, past those that do not fit.
void LineageSizes::start_waiting(const ClusterView& view, PlanBuilder& plan, Placement& placement,
                                 const LineageOpinion& of) {
  for (const Event& e : view.since_last)
    if (e.job.valid() && enters_queue(e.kind()) && !is_final(view.state(e.job)) && plan.planned(e.job) == nullptr)
      starter_.set_waiting(view.spec(e.job), true, of.rank(e.job));
  starter_.start(view, plan, placement, of.admits, [&](JobId job) {
    known(job).launched = view.now;
    result_.started.push_back(job);
  });
}

const LineageSizes::Result& LineageSizes::decide(const ClusterView& view, PlanBuilder& plan, Placement& placement,
                                                 const LineageOpinion& of) {
  result_.started.clear();
  result_.resized.clear();
  result_.preempted.clear();
  if (!std::exchange(began_, true))  // who came before the first elastic job
    for (const JobId id : view.pending().ids()) starter_.set_waiting(view.spec(id), true, of.rank(id));
  const bool due = last_.ns < 0 || view.now >= last_ + options_.every;
  if (due && changed_) {
    last_ = view.now;
    changed_ = false;
    collect(view, of);
    give(view, plan.free().usable_gpus(), of);
    apply(view, plan, placement, of);
  }
  start_waiting(view, plan, placement, of);
  return result_;
}

}  // namespace orrery
