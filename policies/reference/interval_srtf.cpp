// What TitanSched calls SRTF, for `emulate: titan` only: every interval waiting jobs start in order of predicted
// remaining time on their requested GPUs while as many are free; running jobs are left alone (or, as its
// authors' name for it says, compete with the others). What is chosen by number alone is then placed, widest first,
// and waits on where it does not fit. See docs/policies/emulations.md.
#include <algorithm>

#include "policies/parts/ticks.hpp"
#include "policies/reference/versions.hpp"

namespace orrery {
namespace {

class IntervalSrtf final : public Policy {
 public:
  IntervalSrtf(std::unique_ptr<Placement> placement, bool preempts)
      : placement_(std::move(placement)), preempts_(preempts) {}

  [[nodiscard]] std::unique_ptr<Policy> clone() const override { return std::make_unique<IntervalSrtf>(*this); }
  void schedule(const ClusterView& view, PlanBuilder& plan) override {
    if (ticks_.due(view.now)) decide(view, plan);
    ticks_.ask(view, plan);
  }

 private:
  struct Candidate {
    Duration left{};
    JobId id{};
    std::int32_t gpus = 0;
    bool runs = false;
  };

  void decide(const ClusterView& view, PlanBuilder& plan) {
    const auto candidate = [&view](JobId id, bool runs) {
      const JobView v = view.job(id);
      return Candidate{view.time_left(v, v.gpus()), id, v.gpus(), runs};
    };
    candidates_.clear();
    for (const JobId id : view.pending().ids()) candidates_.push_back(candidate(id, false));
    running_.erase(
        std::remove_if(running_.begin(), running_.end(), [&view](JobId id) { return view.target(id) == nullptr; }),
        running_.end());
    for (const JobId id : running_) candidates_.push_back(candidate(id, true));
    std::stable_sort(candidates_.begin(), candidates_.end(), [](const Candidate& a, const Candidate& b) {
      return a.left != b.left ? a.left < b.left : a.id < b.id;
    });
    choose(preempts_ ? plan.free().usable_gpus() : plan.free().free_gpus(), plan);
    std::stable_sort(candidates_.begin(), candidates_.end(),
                     [](const Candidate& a, const Candidate& b) { return a.gpus > b.gpus; });
    for (const Candidate& c : candidates_)
      if (!c.runs && plan.start(c.id, *placement_) && preempts_) running_.push_back(c.id);
  }

  // Leaves those that are served, by number alone.
  void choose(std::int64_t free, PlanBuilder& plan) {
    const auto misses = [&free, &plan](const Candidate& c) {
      if (c.gpus <= free) {
        free -= c.gpus;
        return false;
      }
      if (c.runs) plan.preempt(c.id);
      return true;
    };
    candidates_.erase(std::remove_if(candidates_.begin(), candidates_.end(), misses), candidates_.end());
  }

  OwnPlacement placement_;
  bool preempts_;
  Ticks ticks_{seconds(300)};
  std::vector<Candidate> candidates_;
  std::vector<JobId> running_;  // of those that it started; empty unless it preempts
};

}  // namespace

std::unique_ptr<Policy> titan_srtf(PolicySetup setup, OptionReader& options) {
  return std::make_unique<IntervalSrtf>(std::move(setup.placement), options.choice("running") == "preempted");
}

}  // namespace orrery
