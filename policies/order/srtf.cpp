// Preemptive policies that serve the smallest key first, preempting the rest (docs/policies/sizes.md): SRTF by
// remaining time, SRSF by remaining time x GPUs, smallest by GPUs. Ties: running jobs first, then arrival.
#include "policies/parts/strict_priority.hpp"
#include "policies/registry.hpp"

namespace orrery {
namespace {

enum class Key { remaining, remaining_service, gpus };

class SmallestFirst final : public Policy {
 public:
  SmallestFirst(std::unique_ptr<Placement> placement, Key key) : placement_(std::move(placement)), key_(key) {}

  [[nodiscard]] std::unique_ptr<Policy> clone() const override { return std::make_unique<SmallestFirst>(*this); }
  void schedule(const ClusterView& view, PlanBuilder& plan) override {
    for (const Event& e : view.since_last) follow(view, e);
    jobs_.rerank_all_running(
        [&](const StrictPriority::Running& r) { return rank(StrictPriority::remaining_at(r, view.now), r.gpus); });
    const StrictPriority::Result& result = jobs_.fill(view, plan, *placement_, true);
    for (const JobId job : result.started) jobs_.refresh(view, job);
  }

 private:
  [[nodiscard]] Rank rank(Duration remaining, std::int32_t gpus) const {
    switch (key_) {
      case Key::remaining: return remaining.ns;
      case Key::remaining_service: return static_cast<Rank>(remaining.ns) * gpus;
      case Key::gpus: return gpus;
    }
    return 0;
  }

  void follow(const ClusterView& view, const Event& e) {
    switch (jobs_.follow(view, e)) {
      case StrictPriority::Fate::waits: {
        const JobView v = view.job(e.job);
        jobs_.add_waiting(v, rank(v.remaining(), v.gpus()));
        return jobs_.refresh(view, e.job);
      }
      case StrictPriority::Fate::runs: jobs_.add_running(view.job(e.job), 0); return jobs_.refresh(view, e.job);
      case StrictPriority::Fate::ended: return;
      case StrictPriority::Fate::unchanged: break;
    }
    if (e.kind() == EventKind::started || e.kind() == EventKind::resumed || e.kind() == EventKind::progress)
      jobs_.refresh(view, e.job);
  }

  OwnPlacement placement_;
  Key key_;
  StrictPriority jobs_;
};

std::unique_ptr<Policy> make_srtf(PolicySetup setup, OptionReader&) {
  return std::make_unique<SmallestFirst>(std::move(setup.placement), Key::remaining);
}
std::unique_ptr<Policy> make_srsf(PolicySetup setup, OptionReader&) {
  return std::make_unique<SmallestFirst>(std::move(setup.placement), Key::remaining_service);
}
std::unique_ptr<Policy> make_smallest(PolicySetup setup, OptionReader&) {
  return std::make_unique<SmallestFirst>(std::move(setup.placement), Key::gpus);
}

}  // namespace

const PolicyInfo smallest_policy = {
    .name = "smallest",
    .title = "fewest GPUs first, with preemption",
    .doc =
        "At every event serves {running, waiting} jobs by number of GPUs (ties: running first, then arrival), "
        "goes on past jobs that do not fit, and preempts running jobs that are not served.",
    .make = make_smallest,
    .capabilities = {.preempts = true},
};

const PolicyInfo srtf_policy = {
    .name = "srtf",
    .title = "shortest remaining time first, with preemption",
    .doc =
        "At every event serves {running, waiting} jobs by estimated remaining time (ties: running first, then "
        "arrival), goes on past jobs that do not fit, and preempts running jobs that are not served.",
    .make = make_srtf,
    .capabilities = {.preempts = true, .needs_estimates = true},
};

const PolicyInfo srsf_policy = {
    .name = "srsf",
    .title = "shortest remaining service (time x GPUs) first, with preemption",
    .doc = "Like srtf, ordered by estimated remaining time multiplied by the number of GPUs.",
    .make = make_srsf,
    .capabilities = {.preempts = true, .needs_estimates = true},
};

}  // namespace orrery
