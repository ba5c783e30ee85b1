// Optimus (Peng et al., EuroSys'18), without its parameter servers: every job gets its least number of GPUs, small
// numbers first and then in order of arrival; then one GPU after another goes to the job whose remaining time it
// shortens most. Sizes are reconsidered every period; between periods jobs only start, on their least.
#include <algorithm>

#include "policies/parts/least_starter.hpp"
#include "policies/parts/marginal_gain.hpp"
#include "policies/parts/sizes.hpp"
#include "policies/parts/ticks.hpp"
#include "policies/registry.hpp"

namespace orrery {
namespace {

class Optimus final : public Policy {
 public:
  Optimus(std::unique_ptr<Placement> placement, Duration period) : placement_(std::move(placement)), ticks_(period) {}

  [[nodiscard]] std::unique_ptr<Policy> clone() const override { return std::make_unique<Optimus>(*this); }
  void schedule(const ClusterView& view, PlanBuilder& plan) override {
    for (const Event& e : view.since_last) starter_.follow(view, e);
    if (ticks_.due(view.now)) resize(view, plan);
    starter_.start(view, plan, *placement_);
    ticks_.ask(view, plan);
  }

 private:
  void resize(const ClusterView& view, PlanBuilder& plan) {
    smallest_least_first(view, ids_, jobs_);
    give_by_time_saved(jobs_, plan.free().usable_gpus(),
                       [&view](JobId id, std::int32_t gpus) { return time_saved(view, id, gpus); });
    for (const SizedJob& j : jobs_)
      if (j.before > 0 && j.before != j.gpus) plan.preempt(j.id);
    std::stable_sort(jobs_.begin(), jobs_.end(),
                     [](const SizedJob& a, const SizedJob& b) { return a.gpus < b.gpus; });
    for (SizedJob& j : jobs_) {
      if (j.before > 0 && j.before == j.gpus) continue;
      if (j.gpus > 0) j.gpus = std::max(start_sized(plan, *placement_, j.id, j.gpus, j.least), 0);
      starter_.set_waiting(view.spec(j.id), j.gpus == 0);
    }
  }

  OwnPlacement placement_;
  Ticks ticks_;
  LeastStarter<> starter_;
  std::vector<JobId> ids_;
  std::vector<SizedJob> jobs_;
};

std::unique_ptr<Policy> make_optimus(PolicySetup setup, OptionReader& options) {
  return std::make_unique<Optimus>(std::move(setup.placement), options.time("period"));
}

}  // namespace

const PolicyInfo optimus_policy = {
    .name = "optimus",
    .title = "the next GPU to the job whose remaining time it shortens most, with preemption",
    .doc =
        "Every period each job gets its least number of GPUs, small numbers first, then one GPU after another "
        "goes to the job that gains most. Between periods waiting jobs start on their least, nothing is "
        "resized.",
    .source = "Peng et al., Optimus, EuroSys 2018",
    .make = make_optimus,
    .options = {{"period", "time", "600s", "how often numbers of GPUs are reconsidered", {}, 1, kMostTime}},
    .capabilities = {.preempts = true, .elastic = true, .needs_estimates = true},
};

}  // namespace orrery
