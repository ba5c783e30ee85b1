// Earliest deadline first: strict priority by deadline with preemption; jobs without a deadline come last, in order
// of arrival. Optimal on one GPU when all deadlines can be met (Liu and Layland 1973).
#include "policies/parts/strict_priority.hpp"
#include "policies/registry.hpp"

namespace orrery {
namespace {

class EarliestDeadline final : public Policy {
 public:
  explicit EarliestDeadline(std::unique_ptr<Placement> placement) : placement_(std::move(placement)) {}

  [[nodiscard]] std::unique_ptr<Policy> clone() const override { return std::make_unique<EarliestDeadline>(*this); }
  void schedule(const ClusterView& view, PlanBuilder& plan) override {
    for (const Event& e : view.since_last) follow(view, e);
    jobs_.fill(view, plan, *placement_, true);
  }

 private:
  [[nodiscard]] static Rank rank(const JobView& v) { return v.spec->deadline.value_or(kNever).ns; }

  void follow(const ClusterView& view, const Event& e) {
    const StrictPriority::Fate fate = jobs_.follow(view, e);
    if (fate == StrictPriority::Fate::waits) jobs_.add_waiting(view.job(e.job), rank(view.job(e.job)));
    if (fate == StrictPriority::Fate::runs) jobs_.add_running(view.job(e.job), rank(view.job(e.job)));
  }

  OwnPlacement placement_;
  StrictPriority jobs_;
};

std::unique_ptr<Policy> make_edf(PolicySetup setup, OptionReader&) {
  return std::make_unique<EarliestDeadline>(std::move(setup.placement));
}

}  // namespace

const PolicyInfo edf_policy = {
    .name = "edf",
    .title = "earliest deadline first, with preemption",
    .doc = "Strict priority by deadline; jobs without one come last, in order of arrival.",
    .source = "Liu and Layland, JACM 1973",
    .make = make_edf,
    .capabilities = {.preempts = true},
};

}  // namespace orrery
