#include "policies/transfer/lineage_hold.hpp"

#include <algorithm>

namespace orrery {

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

bool LineageHolder::follow(const ClusterView& view, const Event& e) {
  if (!on_ || !e.job.valid()) return false;
  if (const auto at = held_.find(e.job); at != held_.end() && is_final(view.state(e.job))) forget(at);
  switch (e.kind()) {
    case EventKind::submit:
      for (const Dependency& d : view.spec(e.job).after)
        if (d.hard) thresholds_[d.parent].insert(d.progress_per_mille);
      return false;
    case EventKind::published:
    case EventKind::finished:
    case EventKind::stopped:
    case EventKind::suspended:
    case EventKind::failed:
    case EventKind::launch_failed:
    case EventKind::started:
    case EventKind::resumed: return parents_.count(e.job) > 0;
    default: return false;
  }
}

void LineageHolder::forget(std::map<JobId, Held>::iterator held) {
  const auto parent = parents_.find(held->second.parent);
  if (--parent->second == 0) parents_.erase(parent);
  held_.erase(held);
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
    return time_for(at - parent.done, parent.rate);
  };
  if (const auto named = thresholds_.find(parent.id()); named != thresholds_.end())
    for (auto at = named->second.upper_bound(have); at != named->second.end(); ++at) may_come(*at, when(*at));
  if (const Time next = k.publisher.next_of(parent.id()); next != kNever && next > view.now) {
    const Int128 then = static_cast<Int128>((parent.done + work_in(next - view.now, parent.rate)).ns);
    const auto per_mille = static_cast<std::int32_t>(std::min(then * 1000 / whole.ns, Int128{1000}));
    may_come(per_mille, next - view.now);
  }
  may_come(1000, when(1000));
  return worth_waiting_for(versions_, worth, latest);
}

std::optional<LineageHolder::Answer> LineageHolder::holds(const ClusterView& view, JobId job,
                                                          const LineageKnowledge& k, double gpu_price,
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
  const LineageWorth worth{v.spec->weight + k.index.waiting_weight(view, job), gpu_price * v.gpus()};
  const std::optional<LineageVersion> version = best(view, v, start.edge, start.per_mille, k, worth, latest);
  if (!version) return std::nullopt;
  const JobId parent = v.spec->after[start.edge].parent;
  held_.emplace(job, Held{parent, version->per_mille});
  ++parents_[parent];
  const bool said = before.parent == parent && before.per_mille == version->per_mille;
  return Answer{{job, ReasonCode::held, saved_per_100s(*version), parent, version->per_mille}, said};
}

}  // namespace orrery
