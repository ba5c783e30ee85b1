// What TitanSched calls SRTF, for `emulate: titan` only: every interval waiting jobs start in order of predicted
// remaining time on their requested GPUs while as many are free; running jobs are left alone. What is chosen by
// number alone is then placed, widest first, and waits on where it does not fit. policies.md 5.3.
#include <algorithm>

#include "policies/parts/interval_policies.hpp"
#include "policies/parts/ticks.hpp"

namespace orrery {
namespace {

class IntervalSrtf final : public Policy {
 public:
  explicit IntervalSrtf(std::unique_ptr<Placement> placement) : placement_(std::move(placement)) {}
  [[nodiscard]] Capabilities capabilities() const override { return {.needs_estimates = true}; }

  void schedule(const ClusterView& view, PlanBuilder& plan) override {
    if (ticks_.due(view.now)) decide(view, plan);
    ticks_.ask(view, plan);
  }

 private:
  struct Candidate {
    Duration left{};
    JobId id{};
    std::int32_t gpus = 0;
  };

  void decide(const ClusterView& view, PlanBuilder& plan) {
    waiting_.clear();
    for (const JobView v : view.pending())
      waiting_.push_back({view.predict->time_left(v, v.gpus()), v.id(), v.gpus()});
    std::stable_sort(waiting_.begin(), waiting_.end(),
                     [](const Candidate& a, const Candidate& b) { return a.left < b.left; });
    std::int64_t free = plan.free().free_gpus();
    const auto misses = [&free](const Candidate& c) {
      if (c.gpus > free) return true;
      free -= c.gpus;
      return false;
    };
    waiting_.erase(std::remove_if(waiting_.begin(), waiting_.end(), misses), waiting_.end());
    std::stable_sort(waiting_.begin(), waiting_.end(),
                     [](const Candidate& a, const Candidate& b) { return a.gpus > b.gpus; });
    for (const Candidate& c : waiting_) (void)plan.start(c.id, *placement_);
  }

  std::unique_ptr<Placement> placement_;
  Ticks ticks_{seconds(300)};
  std::vector<Candidate> waiting_;
};

}  // namespace

std::unique_ptr<Policy> interval_srtf(PolicySetup setup) {
  return std::make_unique<IntervalSrtf>(std::move(setup.placement));
}

}  // namespace orrery
