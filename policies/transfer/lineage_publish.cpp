#include "policies/transfer/lineage_publish.hpp"

#include <algorithm>
#include <cmath>

namespace orrery {
namespace {

constexpr double kFirstCost = 60;  // s that a publication takes, before one was seen

Duration tenth_of(Duration whole) {
  return {std::max<std::int64_t>(whole.ns / 10, 1)};
}

}  // namespace

std::optional<double> publish_interval(const LineagePublishing& p) {
  const double loss = (p.mtbf_s ? p.worth / *p.mtbf_s : 0) + p.starts_per_s * p.staleness;
  if (!(loss > 0)) return std::nullopt;
  return std::max(std::sqrt(2 * p.cost_s * p.worth / loss), p.cost_s);
}

LineagePublisher::Parent& LineagePublisher::parent(JobId job) {
  if (job.index() >= parents_.size()) parents_.resize(std::max(job.index() + 1, 2 * parents_.size()));
  return parents_[job.index()];
}

Time LineagePublisher::next_of(JobId job) const {
  return job.index() < parents_.size() && parents_[job.index()].runs ? parents_[job.index()].publishes : kNever;
}

void LineagePublisher::look_at(JobId job, Time at) {
  Parent& p = parent(job);
  if (p.look != kNever) due_.erase({p.look, job});
  p.look = at;
  if (at != kNever) due_.emplace(at, job);
}

// A child that begins with nothing of its own.
void LineagePublisher::begins(const ClusterView& view, JobId child, Time at, const LineageGains& gains) {
  const JobView v = view.job(child);
  if (v.incarnation > 1) return;
  for (std::size_t edge = 0; edge < v.spec->after.size(); ++edge) {
    Parent& p = parent(v.spec->after[edge].parent);
    if (p.started++ == 0) p.first_start = at;
    const Duration base = gains.whole_from(v, edge, 0), best = gains.whole_from(v, edge, 1000);
    if (base != kForever) p.saved_s += to_seconds(base - best);
    p.weight += v.spec->weight;
    p.gpus += v.gpus();
  }
}

void LineagePublisher::follow(const ClusterView& view, const Event& e, const LineageGains& gains) {
  if (!on_) return;
  if (const auto* capacity = e.get_if<event::Capacity>(); capacity != nullptr && capacity->usable == 0)
    ++node_failures_;
  if (!e.job.valid()) return;
  const JobSpec& spec = view.spec(e.job);
  switch (e.kind()) {
    case EventKind::submit:
      for (const Dependency& d : spec.after) {
        Parent& p = parent(d.parent);
        if (p.children++ == 0 && p.runs) look_at(d.parent, e.at);
      }
      return;
    case EventKind::started:
    case EventKind::resumed: {
      begins(view, e.job, e.at, gains);
      Parent& p = parent(e.job);
      p.runs = true;
      p.since = e.at;
      p.publishes = kNever;
      return look_at(e.job, p.children > 0 ? e.at : kNever);
    }
    case EventKind::checkpointed: {
      Parent& p = parent(e.job);
      ++p.checkpoints;
      p.stood_still_s = to_seconds(e.get<event::Checkpointed>().stood_still);
      if (p.runs && p.publishes != kNever && p.publishes < e.at) look_at(e.job, e.at);  // it was refused meanwhile
      return;
    }
    case EventKind::published: {  // behind its checkpoint
      Parent& p = parent(e.job);
      p.since = e.at;
      p.publishes = kNever;
      ++p.publications;
      if (p.stood_still_s > 0) {
        cost_s_ += p.stood_still_s;
        ++published_;
      }
      if (p.runs) look_at(e.job, e.at);
      return;
    }
    case EventKind::command_failed:  // it stands still to save: as soon as it does not
      if (e.get<event::CommandFailed>().why != Refusal::busy || !parent(e.job).runs) return;
      parent(e.job).publishes = e.at;
      return look_at(e.job, e.at + Duration{static_cast<std::int64_t>(cost_s() * 1e9)});
    case EventKind::finished:
    case EventKind::stopped:
    case EventKind::suspended:
    case EventKind::failed:
    case EventKind::launch_failed: parent(e.job).runs = false; return look_at(e.job, kNever);
    default: return;
  }
}

double LineagePublisher::cost_s() const {
  return (kFirstCost + cost_s_) / static_cast<double>(1 + published_);
}

std::optional<double> LineagePublisher::interval(const ClusterView& view, JobId job, const LineageGains& gains,
                                                 const LineagePrices& prices) const {
  const Parent& p = parents_[job.index()];
  const JobView v = view.job(job);
  const Duration whole = gains.whole(view, v);
  if (whole == kForever) return std::nullopt;
  LineagePublishing rates;
  rates.cost_s = cost_s();
  rates.worth = prices.gpu * v.gpus() + v.spec->weight + prices.waiting(job);
  if (!p.saves() && node_failures_ > 0 && v.held != nullptr) {
    const double node_s = static_cast<double>(view.topology->node_count()) * to_seconds(view.now);
    const double nodes = static_cast<double>(v.held->slices().size());
    rates.mtbf_s = node_s / static_cast<double>(node_failures_) / nodes;
  }
  const double since = to_seconds(view.now - p.first_start);
  if (p.started > 1 && since > 0) {
    rates.starts_per_s = p.started / since;
    const double n = p.started;
    const auto q = static_cast<std::int32_t>(std::clamp<std::int64_t>(
        static_cast<std::int64_t>(static_cast<Int128>(v.done.ns) * 1000 / whole.ns), 0, 999));
    const double speed = static_cast<double>(phase_speed(*v.spec, v.phase, v.gpus()).per_billion) * 1e-9;
    const double per_second = gain_per_progress(q) * speed / to_seconds(whole);
    rates.staleness = std::max(p.saved_s / n * per_second * (p.weight + prices.gpu * p.gpus) / n, 0.0);
  }
  return publish_interval(rates);
}

void LineagePublisher::update(const ClusterView& view, const LineageGains& gains, const LineagePrices& prices,
                              PlanBuilder& plan) {
  while (!due_.empty() && due_.begin()->first <= view.now) {
    const JobId job = due_.begin()->second;
    Parent& p = parents_[job.index()];
    const Duration whole = gains.whole(view, view.job(job));
    const std::optional<double> tau = interval(view, job, gains, prices);
    const bool some = tau && *tau < 1e9;
    const Duration every = some ? Duration{static_cast<std::int64_t>(*tau * 1e9)} : kForever;
    // What was planned is done though the interval has grown since; else one that grows with time is looked at over
    // and over.
    if (some && (p.publishes <= view.now || p.since + every <= view.now)) {
      plan.command({job, Command::Kind::publish, {}});
      p.since = view.now;
    }
    p.publishes = some ? p.since + every : kNever;
    look_at(job, std::min(p.publishes, whole == kForever ? kNever : view.now + tenth_of(whole)));
  }
}

}  // namespace orrery
