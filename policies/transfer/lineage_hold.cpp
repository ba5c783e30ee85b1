#include "policies/transfer/lineage_hold.hpp"

#include <algorithm>
#include <limits>

namespace orrery {
namespace {

constexpr double kAlways = -std::numeric_limits<double>::infinity();

// The price of a GPU, that of the job itself counted, above which the version is worth its wait: later it is at a
// lower one, since the wait is shorter then.
double least_price(const LineageVersion& v, const LineageWorth& worth, std::int32_t gpus, double own) {
  const double saved = to_seconds(v.saved);
  if (gpus <= 0 || v.saved > v.wait) return kAlways;
  return worth.weight * (to_seconds(v.wait) - saved) / (saved * gpus) + own;
}

}  // namespace

std::optional<LineageVersion> worth_waiting_for(std::span<const LineageVersion> versions, const LineageWorth& worth,
                                                Duration latest) {
  std::optional<LineageVersion> best;
  double most = 0;
  for (const LineageVersion& v : versions) {
    if (v.wait > latest || v.wait.ns <= 0) continue;
    const double gained = to_seconds(v.saved) * (worth.weight + worth.gpu_weight);
    const double value = gained - worth.weight * to_seconds(v.wait);
    if (value <= most) continue;
    most = value;
    best = v;
  }
  return best;
}

std::int64_t saved_per_100s(const LineageVersion& v) {
  const Int128 saved = static_cast<Int128>(v.saved.ns) * 100 / std::max<std::int64_t>(v.wait.ns, 1);
  return static_cast<std::int64_t>(std::min(saved, Int128{1'000'000}));
}

void LineageHolder::follow(const ClusterView& view, const Event& e) {
  if (!on_ || !e.job.valid()) return;
  if (const auto at = held_.find(e.job); at != held_.end() && is_final(view.state(e.job))) forget(at);
  switch (e.kind()) {
    case EventKind::submit:
      for (const Dependency& d : view.spec(e.job).after)
        if (d.hard) thresholds_[d.parent].insert(d.progress_per_mille);
      return;
    case EventKind::published:
    case EventKind::finished:
    case EventKind::stopped:
    case EventKind::suspended:
    case EventKind::failed:
    case EventKind::launch_failed:
    case EventKind::started:
    case EventKind::resumed:
      if (const auto children = of_parent_.find(e.job); children != of_parent_.end())
        for (const JobId child : children->second) doubt(child);
      return;
    default: return;
  }
}

void LineageHolder::doubt(JobId job) {
  if (const auto at = held_.find(job); at != held_.end() && at->second.stands) lapse(job, at->second);
}

void LineageHolder::lapse(JobId job, Held& held) {
  held.stands = false;
  by_price_.erase({held.price, job});
  by_time_.erase({held.expected, job});
  lapsed_.push_back(job);
}

void LineageHolder::forget(std::map<JobId, Held>::iterator held) {
  const auto& [job, what] = *held;
  by_price_.erase({what.price, job});
  by_time_.erase({what.expected, job});
  const auto siblings = of_parent_.find(what.parent);
  siblings->second.erase(job);
  if (siblings->second.empty()) of_parent_.erase(siblings);
  held_.erase(held);
}

bool LineageHolder::stands(JobId job) const {
  const auto at = held_.find(job);
  return at != held_.end() && at->second.stands;
}

std::vector<JobId> LineageHolder::take_lapsed(Time now, double gpu_price) {
  while (!by_price_.empty() && by_price_.rbegin()->first >= gpu_price) doubt(by_price_.rbegin()->second);
  while (!by_time_.empty() && by_time_.begin()->first < now) doubt(by_time_.begin()->second);
  std::erase_if(lapsed_, [this](JobId job) { return held_.count(job) == 0; });
  return std::exchange(lapsed_, {});
}

std::optional<LineageVersion> LineageHolder::best(const ClusterView& view, const JobView& job, std::size_t edge,
                                                  std::int32_t have, const LineageKnowledge& k,
                                                  const LineageWorth& worth, Duration latest) {
  const JobView parent = view.job(job.spec->after[edge].parent);
  const Duration whole = k.gains.whole(view, parent), now = k.gains.whole_from(job, edge, have);
  if (parent.state != JobState::running || whole == kForever || now == kForever || parent.rate.per_billion <= 0)
    return std::nullopt;
  versions_.clear();
  const auto may_come = [&](std::int32_t per_mille, Duration wait) {
    if (per_mille > have) versions_.push_back({wait, now - k.gains.whole_from(job, edge, per_mille), per_mille});
  };
  const auto when = [&](std::int32_t per_mille) {
    const Work at{static_cast<std::int64_t>(static_cast<Int128>(whole.ns) * per_mille / 1000)};
    return time_for(Work{phases_time(*parent.spec, Work{whole.ns}, parent.done, at).ns}, parent.pace());
  };
  if (const auto named = thresholds_.find(parent.id()); named != thresholds_.end())
    for (auto at = named->second.upper_bound(have); at != named->second.end(); ++at) may_come(*at, when(*at));
  if (const Time next = k.publisher.next_of(parent.id()); next != kNever && next > view.now) {
    const Duration gone{work_in(next - view.now, parent.pace()).ns};
    const Int128 then = static_cast<Int128>(phases_work(*parent.spec, Work{whole.ns}, parent.done, gone).ns);
    const auto per_mille = static_cast<std::int32_t>(std::min(then * 1000 / whole.ns, Int128{1000}));
    may_come(per_mille, next - view.now);
  }
  may_come(1000, when(1000));
  return worth_waiting_for(versions_, worth, latest);
}

std::optional<LineageHolder::Answer> LineageHolder::holds(const ClusterView& view, JobId job,
                                                          const LineageKnowledge& k, const Price& price,
                                                          Duration latest) {
  Held before;
  if (const auto at = held_.find(job); at != held_.end()) {
    before = at->second;
    forget(at);
  }
  const JobView v = view.job(job);
  if (!on_ || v.spec->after.empty() || v.done.ns > 0) return std::nullopt;
  LineageGains::Start start = LineageGains::start_of(view, *v.spec, k.gains.choose(view, *v.spec));
  if (start.edge == LineageGains::kNoEdge) start.edge = 0;
  if (k.gains.of(*v.spec, start.edge).mean <= 0) return std::nullopt;
  const LineageWorth worth{v.spec->weight + k.index.waiting_weight(view, job), price.of_others() * v.gpus()};
  const std::optional<LineageVersion> version = best(view, v, start.edge, start.per_mille, k, worth, latest);
  if (!version) return std::nullopt;
  Held held;
  held.parent = v.spec->after[start.edge].parent;
  held.per_mille = version->per_mille;
  held.price = least_price(*version, worth, v.gpus(), price.own);
  held.expected = view.now + version->wait;
  const bool said = before.parent == held.parent && before.per_mille == held.per_mille;
  by_price_.emplace(held.price, job);
  by_time_.emplace(held.expected, job);
  of_parent_[held.parent].insert(job);
  held_.emplace(job, held);
  return Answer{{job, ReasonCode::held, saved_per_100s(*version), held.parent, held.per_mille}, said};
}

}  // namespace orrery
