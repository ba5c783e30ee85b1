#include "policies/transfer/lineage_abort.hpp"

#include <utility>

namespace orrery {
namespace {

constexpr double kQuantile = 2.326;    // of the standard normal law, at 99 %
constexpr double kRestartUnseen = 60;  // s, before one was seen
constexpr double kMillion = 1e6;

}  // namespace

bool slower_than_base(double worth, double error) {
  return 1 - worth > kQuantile * error;
}

void LineageAbort::follow(const ClusterView& view, const Event& e, LineageGains& gains) {
  if (!on_ || !e.job.valid()) return;
  if (e.kind() == EventKind::assessed) assessed(view, e, gains);
  if (e.kind() == EventKind::started) started(view, e, gains);
  if (!is_final(view.state(e.job))) return;
  dropping_.erase(e.job);
  told_.erase(e.job);
}

Duration LineageAbort::restart() const {
  const double mean_s = (kRestartUnseen + restart_s_) / static_cast<double>(1 + restarts_);
  return {static_cast<std::int64_t>(mean_s * 1e9)};
}

void LineageAbort::assessed(const ClusterView& view, const Event& e, LineageGains& gains) {
  const auto& [parent, worth, error] = e.get<event::Assessed>();
  if (view.state(e.job) != JobState::running || drops(e.job)) return;
  if (!slower_than_base(static_cast<double>(worth) / kMillion, static_cast<double>(error) / kMillion)) return;
  const JobView v = view.job(e.job);
  if (!v.estimate || v.estimate->total == kForever) return;
  if (gains.remaining(view, v) <= v.estimate->total + restart()) return;
  dropping_[e.job] = {parent, worth / 1000, e.incarnation};
  asked_.push_back(e.job);
  gains.drops(e.job);
}

void LineageAbort::started(const ClusterView& view, const Event& e, LineageGains& gains) {
  const JobView v = view.job(e.job);
  if (const auto told = told_.find(e.job); told != told_.end()) {
    if (v.incarnation > 1) {
      restart_s_ += to_seconds(e.at - told->second);
      ++restarts_;
    }
    told_.erase(told);
  }
  const auto at = dropping_.find(e.job);
  if (at == dropping_.end() || e.incarnation <= at->second.in) return;
  gains.began_anew(view, e.job);
  dropping_.erase(at);
}

RunConfig LineageAbort::start(const ClusterView& view, JobId job, LineageGains& gains) {
  told(job, view.now);
  const JobSpec& spec = view.spec(job);
  if (spec.after.empty() || (!drops(job) && view.job(job).done.ns > 0)) return {};
  const RunConfig config = drops(job) ? anew(view, spec, gains) : gains.choose(view, spec);
  gains.starts(view, job, config);
  return config;
}

RunConfig LineageAbort::anew(const ClusterView& view, const JobSpec& spec, const LineageGains& gains) const {
  RunConfig config = gains.choose(view, spec);
  const std::size_t edge = LineageGains::start_of(view, spec, config).edge;
  const bool other = edge != LineageGains::kNoEdge && spec.after[edge].parent != dropping_.at(spec.id).than;
  const bool helped = other && gains.of(spec, edge).seen > 0 && gains.of(spec, edge).mean > 0;
  if (!helped) config = RunConfig{.start_version = kFromBase};
  config.anew = true;
  return config;
}

const std::vector<JobId>& LineageAbort::apply(const ClusterView& view, PlanBuilder& plan, LineageGains& gains) {
  done_.clear();
  for (const JobId job : std::exchange(asked_, {})) {
    if (plan.planned(job) == nullptr || !drops(job)) continue;  // it waits: when it starts again
    const RunConfig config = anew(view, view.spec(job), gains);
    plan.configure(job, config);
    gains.starts(view, job, config);
    plan.reason({job, ReasonCode::slower, dropping_.at(job).per_mille, dropping_.at(job).than});
    told(job, view.now);
    done_.push_back(job);
  }
  return done_;
}

}  // namespace orrery
