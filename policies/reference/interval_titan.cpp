// Titan as its own simulator runs it: decisions every 120 s alone, and a job starts on the number of GPUs that it was
// given or waits.
#include "policies/reference/versions.hpp"
#include "policies/transfer/titan.hpp"

namespace orrery {
namespace {

class IntervalTitan final : public Titan {
 public:
  IntervalTitan(std::unique_ptr<Placement> placement, bool every_size)
      : Titan(std::move(placement), seconds(120), every_size) {}

  [[nodiscard]] std::unique_ptr<Policy> clone() const override { return std::make_unique<IntervalTitan>(*this); }
  void schedule(const ClusterView& view, PlanBuilder& plan) override {
    if (ticks().due(view.now)) {
      for (const Job& j : share_out(view, plan))
        if (j.gpus > 0 && j.before != j.gpus) (void)start_sized(plan, placement(), j.id, j.gpus, j.gpus);
      start_without_gpus(view, plan, placement());
    }
    ticks().ask(view, plan);
  }
};

}  // namespace

std::unique_ptr<Policy> titan_titan(PolicySetup setup, OptionReader& options) {
  return std::make_unique<IntervalTitan>(std::move(setup.placement), options.choice("sizes") == "all");
}

}  // namespace orrery
