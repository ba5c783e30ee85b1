// LINEAGE: a scheduling protocol for multimodal pretraining and the jobs that descend from it
// (docs/policies/lineage.md). Each rule is a file of its own and can be switched off; this file puts them together:
// who is served in which order, who may be preempted, when to be asked again.
#include <algorithm>
#include <utility>

#include "policies/parts/strict_priority.hpp"
#include "policies/registry.hpp"
#include "policies/transfer/lineage_demand.hpp"
#include "policies/transfer/lineage_elastic.hpp"
#include "policies/transfer/lineage_hold.hpp"
#include "policies/transfer/lineage_index.hpp"
#include "policies/transfer/lineage_promotion.hpp"
#include "policies/transfer/lineage_publish.hpp"
#include "policies/transfer/lineage_young.hpp"

namespace orrery {
namespace {

struct LineageOptions {
  bool index = true;         // rule R1; without it a job counts for itself alone
  bool learn = true;         // rule R7; without it claims are believed and the first parent is the source
  bool hold = true;          // rule R2
  bool publish = true;       // rule R6
  std::int64_t alpha = 500;  // per mille
  Duration min_run{};
  std::int64_t rho_max = 5000;    // per mille
  LineageSizes::Options sizes{};  // rule R3
};

// Ranks before all others: of promoted jobs, in order of submission, then of those that have just started.
constexpr Rank kPromoted = -(static_cast<Rank>(1) << 110);
constexpr Rank kYoung = -(static_cast<Rank>(1) << 100);

class Lineage final : public Policy {
 public:
  Lineage(std::unique_ptr<Placement> placement, LineageOptions options)
      : placement_(std::move(placement)),
        options_(options),
        gains_(options.learn),
        index_(options.alpha),
        sizes_(options.sizes),
        holder_(options.hold),
        publisher_(options.publish),
        promotion_(options.rho_max),
        young_(options.min_run) {}

  [[nodiscard]] std::unique_ptr<Policy> clone() const override { return std::make_unique<Lineage>(*this); }
  [[nodiscard]] bool publishes() const override { return options_.publish; }
  void schedule(const ClusterView& view, PlanBuilder& plan) override {
    for (const Event& e : view.since_last) {
      gains_.follow(view, e);
      if (options_.index) index_.follow(view, e, gains_);
      promotion_.follow(view, e);
      publisher_.follow(view, e, gains_);
      if (holder_.follow(view, e)) jobs_.rank_changed();
    }
    const std::vector<JobId> believed = gains_.take_changed();
    if (options_.index)
      for (const JobId job : believed) index_.believed_anew(job);
    const std::vector<JobId>& changed = options_.index ? index_.update(view, gains_) : believed;
    publisher_.update(view, gains_, prices(view, plan), plan);
    for (const Event& e : view.since_last) sizes_.follow(view, e);
    if (sizes_.active())
      serve_sized(view, plan);
    else
      serve_in_order(view, plan, changed);
    ask(view, plan);
  }

 private:
  // As long as no job is elastic.
  void serve_in_order(const ClusterView& view, PlanBuilder& plan, const std::vector<JobId>& changed) {
    for (const Event& e : view.since_last) follow(view, e);
    for (const JobId job : changed) rerank(view, job);
    for (const JobId job : promotion_.update(view)) rerank(view, job);
    if (young_.grow_up(view.now)) jobs_.rank_changed();
    jobs_.rerank_all_running([&](const StrictPriority::Running& r) { return rank(view, r); });
    const auto admits = [&](JobId job) { return !is_held(view, job, plan); };
    const StrictPriority::Result& result = jobs_.fill(view, plan, *placement_, true, admits);
    for (const JobId job : result.started) {
      starts(view, job, plan);
      refresh(view, job);
    }
    for (const JobId job : result.preempted) begins_to_wait(view, job);
  }

  void serve_sized(const ClusterView& view, PlanBuilder& plan) {
    for (const Event& e : view.since_last)
      if (e.job.valid() && enters_queue(e.kind()) && !is_final(view.state(e.job))) promotion_.waits(view.job(e.job));
    (void)promotion_.update(view);
    (void)young_.grow_up(view.now);
    LineageOpinion of;
    of.rank = [&](JobId job) { return rank(view, job, remaining(view, job)); };
    of.admits = [&](JobId job) { return !is_held(view, job, plan); };
    of.settled = [&](JobId job) { return young_.is_young(job, view.now); };
    of.whole = [&](JobId job) { return gains_.whole(view, view.job(job)); };
    of.waiters = [&](JobId job) { return index_.waiters(view, job); };
    const LineageSizes::Result& result = sizes_.decide(view, plan, *placement_, of);
    for (const JobId job : result.started) starts(view, job, plan);
    for (const JobId job : result.preempted) promotion_.waits(view.job(job));
    demand_ = sizes_.waiting();
  }

  void starts(const ClusterView& view, JobId job, PlanBuilder& plan) {
    demand_.remove(view.spec(job));
    promotion_.runs(job);
    young_.begins(job, view.now);
    choose_source(view, job, plan);
  }

  [[nodiscard]] Rank rank(const ClusterView& view, JobId job, Duration left) const {
    const JobSpec& spec = view.spec(job);
    return promotion_.promoted(job) ? kPromoted + spec.submit.ns : index_.rank(spec, left);
  }
  [[nodiscard]] Rank rank(const ClusterView& view, const StrictPriority::Running& r) const {
    if (young_.is_young(r.job, view.now) && !promotion_.promoted(r.job)) return kYoung;
    return rank(view, r.job, StrictPriority::remaining_at(r, view.now));
  }

  [[nodiscard]] LineagePrices prices(const ClusterView& view, const PlanBuilder& plan) const {
    return {demand_.price(*view.topology, plan.free().free_gpus()),
            [this, &view](JobId job) { return index_.waiting_weight(view, job); }};
  }
  // Whether the job, whose turn it is, waits for a later version of a parent.
  [[nodiscard]] bool is_held(const ClusterView& view, JobId job, PlanBuilder& plan) {
    const JobSpec& spec = view.spec(job);
    if (!options_.hold || spec.after.empty() || promotion_.promoted(job)) return false;
    const Time promoted = promotion_.next_of(job);
    const auto held = holder_.holds(view, job, {gains_, index_, publisher_},
                                    demand_.price(*view.topology, plan.free().free_gpus(), spec.weight),
                                    promoted == kNever ? kForever : promoted - view.now);
    if (options_.index && held) index_.hold(job, held->why.about, held->why.per_mille);
    if (options_.index && !held) index_.release(job);
    if (held && !held->said) plan.reason(held->why);
    return held.has_value();
  }

  // Of a job that begins with nothing: what it starts from.
  void choose_source(const ClusterView& view, JobId job, PlanBuilder& plan) {
    const JobView v = view.job(job);
    if (v.spec->after.empty() || v.done.ns > 0) return;
    const RunConfig config = gains_.choose(view, *v.spec);
    gains_.starts(view, job, config);
    if (config == RunConfig{}) return;
    const Allocation gpus = *plan.planned(job);
    plan.run(job, gpus, config);
  }
  [[nodiscard]] Duration remaining(const ClusterView& view, JobId job) const {
    return gains_.remaining(view, view.job(job));
  }
  void refresh(const ClusterView& view, JobId job) {
    if (jobs_.find_running(job) != nullptr) jobs_.refresh(view, job, remaining(view, job));
  }

  // A waiting job whose rank has changed; those that run are ranked anew at every decision.
  void rerank(const ClusterView& view, JobId job) {
    if (!jobs_.is_waiting(job)) {
      if (jobs_.find_running(job) != nullptr) jobs_.rank_changed();
      return;
    }
    jobs_.rank_changed();
    const JobView v = view.job(job);
    jobs_.rerank_waiting(v, rank(view, job, gains_.remaining(view, v)));
  }

  // A job that was preempted waits with the rank that it had, unless that was a young one's.
  void begins_to_wait(const ClusterView& view, JobId job) {
    const JobView v = view.job(job);
    demand_.add(*v.spec);
    promotion_.waits(v);
    if (young_.is_young(job, view.now)) jobs_.rerank_waiting(v, rank(view, job, gains_.remaining(view, v)));
  }

  void follow(const ClusterView& view, const Event& e) {
    if (e.job.valid() && jobs_.is_waiting(e.job)) demand_.remove(view.spec(e.job));
    follow_queue(view, e);
    if (e.job.valid() && jobs_.is_waiting(e.job)) demand_.add(view.spec(e.job));
  }
  void follow_queue(const ClusterView& view, const Event& e) {
    switch (jobs_.follow(view, e)) {
      case StrictPriority::Fate::waits: {
        const JobView v = view.job(e.job);
        promotion_.waits(v);
        jobs_.add_waiting(v, rank(view, e.job, gains_.remaining(view, v)));
        return;
      }
      case StrictPriority::Fate::runs: jobs_.add_running(view.job(e.job), 0); return refresh(view, e.job);
      case StrictPriority::Fate::ended: return;
      case StrictPriority::Fate::unchanged: break;
    }
    if (e.kind() == EventKind::started || e.kind() == EventKind::resumed) young_.begins(e.job, e.at);
    if (e.kind() == EventKind::started || e.kind() == EventKind::resumed || e.kind() == EventKind::progress)
      refresh(view, e.job);
  }

  // Another order comes by itself only when a job grows up or is promoted, and matters only to those that wait.
  // (One that was preempted just now may be promoted at the next instant.)
  void ask(const ClusterView& view, PlanBuilder& plan) const {
    const Time soonest = view.now + Duration{1};
    if (publisher_.next() != kNever) plan.wake_at(std::max(publisher_.next(), soonest));
    if (sizes_.active()) {
      if (sizes_.next(view) != kNever) plan.wake_at(sizes_.next(view));
      return;
    }
    if (jobs_.waiting().empty()) return;
    if (young_.next() != kNever) plan.wake_at(std::max(young_.next(), soonest));
    if (promotion_.next() != kNever) plan.wake_at(std::max(promotion_.next(), soonest));
  }

  OwnPlacement placement_;
  LineageOptions options_;
  LineageGains gains_;
  LineageIndex index_;
  LineageSizes sizes_;
  LineageHolder holder_;
  LineagePublisher publisher_;
  LineagePromotion promotion_;
  LineageYoung young_;
  StrictPriority jobs_;
  LineageDemand demand_;
};

std::unique_ptr<Policy> make_lineage(PolicySetup setup, OptionReader& options) {
  LineageOptions o;
  const std::vector<std::string> rules = options.choices("rules");
  const auto on = [&rules](std::string_view rule) {
    return std::find(rules.begin(), rules.end(), rule) != rules.end();
  };
  o.index = on("index");
  o.hold = on("hold");
  o.sizes.on = on("elastic");
  o.publish = on("publish");
  o.learn = on("learn");
  o.alpha = options.decimal("alpha");
  o.min_run = options.time("min_run");
  o.rho_max = options.decimal("rho_max");
  o.sizes.seconds = options.choice("marginal") == "seconds";
  o.sizes.every = options.time("resize_every");
  o.sizes.rest = options.time("resize_rest");
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
    .options =
        {{"rules",
          "choices",
          "[index, hold, elastic, publish, learn]",
          "rules that are on; index: jobs that wait for others count with them; hold: a child waits for a later "
          "version where that pays; elastic: elastic jobs get the GPUs that save most; publish: it says when parents "
          "publish; learn: what a parent is worth is learned from children that finished",
          {"index", "hold", "elastic", "publish", "learn"}},
         {"marginal",
          "choice",
          "share",
          "what one more GPU is worth to an elastic job: the share of the time left that it saves, or seconds",
          {"share", "seconds"}},
         {"resize_rest",
          "time",
          "1800s",
          "for how long a job keeps a number of GPUs that it was given while it ran",
          {},
          0,
          kMostTime},
         {"resize_every",
          "time",
          "60s",
          "how often numbers of GPUs are reconsidered where jobs are elastic",
          {},
          1,
          kMostTime},
         {"alpha", "decimal", "0.5", "how GPUs count in service: 1 as in srsf, 0 not at all", {}, 0, 1},
         {"min_run", "time", "300s", "for how long a job that has begun is not preempted", {}, 0, kMostTime},
         {"rho_max",
          "decimal",
          "5",
          "finish-time fairness, as projected, above which a waiting job comes first; 0 = never",
          {},
          0,
          kMany}},
    .capabilities = {.preempts = true, .elastic = true, .needs_estimates = true},
};

}  // namespace orrery
