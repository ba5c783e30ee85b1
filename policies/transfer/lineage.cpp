// LINEAGE: a scheduling protocol for multimodal pretraining and the jobs that descend from it
// (docs/policies/lineage.md). Each rule is a file of its own and can be switched off; this file puts them together:
// who is served in which order, who may be preempted, when to be asked again.
#include <algorithm>
#include <deque>
#include <utility>

#include "policies/parts/strict_priority.hpp"
#include "policies/registry.hpp"
#include "policies/transfer/lineage_index.hpp"
#include "policies/transfer/lineage_promotion.hpp"

namespace orrery {
namespace {

struct LineageOptions {
  bool index = true;         // rule R1; without it a job counts for itself alone
  std::int64_t alpha = 500;  // per mille
  Duration min_run{};
  std::int64_t rho_max = 5000;  // per mille
};

// Ranks before all others: of promoted jobs, in order of submission, then of those that have just started.
constexpr Rank kPromoted = -(static_cast<Rank>(1) << 110);
constexpr Rank kYoung = -(static_cast<Rank>(1) << 100);

class Lineage final : public Policy {
 public:
  Lineage(std::unique_ptr<Placement> placement, LineageOptions options)
      : placement_(std::move(placement)), options_(options), index_(options.alpha), promotion_(options.rho_max) {}

  [[nodiscard]] std::unique_ptr<Policy> clone() const override { return std::make_unique<Lineage>(*this); }
  void schedule(const ClusterView& view, PlanBuilder& plan) override {
    for (const Event& e : view.since_last) {
      if (options_.index) index_.follow(view, e);
      promotion_.follow(view, e);
    }
    const std::vector<JobId>& changed = index_.update(view);
    for (const Event& e : view.since_last) follow(view, e);
    for (const JobId job : changed) rerank(view, job);
    for (const JobId job : promotion_.update(view)) rerank(view, job);
    grow_up(view);
    jobs_.rerank_all_running([&](const StrictPriority::Running& r) { return rank(view, r); });
    const StrictPriority::Result& result = jobs_.fill(view, plan, *placement_, true);
    for (const JobId job : result.started) {
      promotion_.runs(job);
      begins(job, view.now);
      jobs_.refresh(view, job);
    }
    for (const JobId job : result.preempted) begins_to_wait(view, job);
    ask(view.now, plan);
  }

 private:
  [[nodiscard]] Rank rank(const ClusterView& view, JobId job, Duration left) const {
    const JobSpec& spec = view.spec(job);
    return promotion_.promoted(job) ? kPromoted + spec.submit.ns : index_.rank(spec, left);
  }
  [[nodiscard]] Rank rank(const ClusterView& view, const StrictPriority::Running& r) const {
    if (is_young(r.job, view.now) && !promotion_.promoted(r.job)) return kYoung;
    return rank(view, r.job, StrictPriority::remaining_at(r, view.now));
  }

  // A waiting job whose rank has changed; those that run are ranked anew at every decision.
  void rerank(const ClusterView& view, JobId job) {
    if (!jobs_.is_waiting(job)) {
      if (jobs_.find_running(job) != nullptr) jobs_.rank_changed();
      return;
    }
    jobs_.rank_changed();
    const JobView v = view.job(job);
    jobs_.rerank_waiting(v, rank(view, job, v.remaining()));
  }

  // A job that was preempted waits with the rank that it had, unless that was a young one's.
  void begins_to_wait(const ClusterView& view, JobId job) {
    const JobView v = view.job(job);
    promotion_.waits(v);
    if (is_young(job, view.now)) jobs_.rerank_waiting(v, rank(view, job, v.remaining()));
  }

  void follow(const ClusterView& view, const Event& e) {
    switch (jobs_.follow(view, e)) {
      case StrictPriority::Fate::waits: {
        const JobView v = view.job(e.job);
        promotion_.waits(v);
        jobs_.add_waiting(v, rank(view, e.job, v.remaining()));
        return;
      }
      case StrictPriority::Fate::runs: jobs_.add_running(view.job(e.job), 0); return jobs_.refresh(view, e.job);
      case StrictPriority::Fate::ended: return;
      case StrictPriority::Fate::unchanged: break;
    }
    if (e.kind() == EventKind::started || e.kind() == EventKind::resumed) begins(e.job, e.at);
    if (e.kind() == EventKind::started || e.kind() == EventKind::resumed || e.kind() == EventKind::progress)
      jobs_.refresh(view, e.job);
  }

  // Who runs for less than `min_run` is young, and not preempted.
  void begins(JobId job, Time at) {
    if (options_.min_run.ns == 0) return;
    if (job.index() >= grown_up_.size()) grown_up_.resize(std::max(job.index() + 1, 2 * grown_up_.size()));
    grown_up_[job.index()] = at + options_.min_run;
    young_.emplace_back(at + options_.min_run, job);
  }
  [[nodiscard]] bool is_young(JobId job, Time now) const {
    return job.index() < grown_up_.size() && now < grown_up_[job.index()];
  }
  void grow_up(const ClusterView& view) {
    while (!young_.empty() && (young_.front().first <= view.now || outdated(young_.front()))) {
      if (!outdated(young_.front())) jobs_.rank_changed();
      young_.pop_front();
    }
  }
  [[nodiscard]] bool outdated(const std::pair<Time, JobId>& y) const {
    return grown_up_[y.second.index()] != y.first;
  }

  // Another order comes by itself only when a job grows up or is promoted, and matters only to those that wait.
  // (One that was preempted just now may be promoted at the next instant.)
  void ask(Time now, PlanBuilder& plan) const {
    if (jobs_.waiting().empty()) return;
    const Time soonest = now + Duration{1};
    if (!young_.empty()) plan.wake_at(std::max(young_.front().first, soonest));
    if (promotion_.next() != kNever) plan.wake_at(std::max(promotion_.next(), soonest));
  }

  OwnPlacement placement_;
  LineageOptions options_;
  LineageIndex index_;
  LineagePromotion promotion_;
  StrictPriority jobs_;
  std::vector<Time> grown_up_;                // [job]
  std::deque<std::pair<Time, JobId>> young_;  // in order of time
};

std::unique_ptr<Policy> make_lineage(PolicySetup setup, OptionReader& options) {
  LineageOptions o;
  const std::vector<std::string> rules = options.choices("rules");
  o.index = std::find(rules.begin(), rules.end(), "index") != rules.end();
  o.alpha = options.decimal("alpha");
  o.min_run = options.time("min_run");
  o.rho_max = options.decimal("rho_max");
  return std::make_unique<Lineage>(std::move(setup.placement), o);
}

}  // namespace

const PolicyInfo lineage_policy = {
    .name = "lineage",
    .title = "jobs that others wait for by the worth of all of them, with preemption",
    .doc =
        "Serves {running, waiting} jobs by weight over service (time x GPUs^alpha). The jobs that wait for a job "
        "count with it as far as they make its ratio better. Goes on past jobs that do not fit; preempts running "
        "jobs that are not served, but none that began less than min_run ago. A job whose finish-time fairness "
        "would exceed rho_max comes first; it preempts those, too.",
    .source = "Orrery, docs/policies/lineage.md; Horn 1972, Sidney 1975",
    .make = make_lineage,
    .options = {{"rules",
                 "choices",
                 "[index]",
                 "rules that are on; index: jobs that wait for others count with them",
                 {"index"}},
                {"alpha", "decimal", "0.5", "how GPUs count in service: 1 as in srsf, 0 not at all", {}, 0, 1},
                {"min_run", "time", "300s", "for how long a job that has begun is not preempted", {}, 0, kMostTime},
                {"rho_max",
                 "decimal",
                 "5",
                 "finish-time fairness, as projected, above which a waiting job comes first; 0 = never",
                 {},
                 0,
                 kMany}},
    .capabilities = {.preempts = true, .needs_estimates = true},
};

}  // namespace orrery
