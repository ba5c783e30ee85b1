// Tiresias as the simulators of Tiresias and Muri run it: the queues are ours, the moment at which a running job is
// looked at again for its limit is worked out in whole seconds, by each with arithmetic of its own.
#include <algorithm>

#include "policies/order/tiresias.hpp"
#include "policies/reference/versions.hpp"

namespace orrery {
namespace {

// From now until the limit, as the simulator takes it.
using TimeLeft = Duration (*)(Duration limit, Duration executed, std::int64_t gpus);

// Executed time is not multiplied by the GPUs, and its clock goes on by a second at least.
Duration tiresias_left(Duration limit, Duration executed, std::int64_t gpus) {
  return std::max(seconds((limit - executed).ns / kNsPerSecond / gpus), seconds(1));
}

// The limit alone is divided by the GPUs.
Duration muri_left(Duration limit, Duration executed, std::int64_t gpus) {
  return seconds((limit.ns / kNsPerSecond + gpus - 1) / gpus) - executed;
}

class SecondLimits final : public Tiresias {
 public:
  SecondLimits(std::unique_ptr<Placement> placement, TiresiasOptions options, TimeLeft left)
      : Tiresias(std::move(placement), std::move(options)), left_(left) {}
  [[nodiscard]] std::unique_ptr<Policy> clone() const override { return std::make_unique<SecondLimits>(*this); }

 protected:
  void wake_for_limits(const ClusterView& view, PlanBuilder& plan) override {
    if (!options().count_gpus) return Tiresias::wake_for_limits(view, plan);
    for (const Sinking& s : sinking(view)) {
      if (s.gpus == 0) continue;  // no GPU-time, no limit; those simulators know no such jobs
      plan.wake_at(view.now + std::max(left_(s.limit, s.executed, s.gpus), Duration{1}));
    }
  }

 private:
  TimeLeft left_;
};

}  // namespace

std::unique_ptr<Policy> whole_second_tiresias(PolicySetup setup, OptionReader& options) {
  return std::make_unique<SecondLimits>(std::move(setup.placement), read_tiresias_options(options), tiresias_left);
}

std::unique_ptr<Policy> divided_limit_tiresias(PolicySetup setup, OptionReader& options) {
  return std::make_unique<SecondLimits>(std::move(setup.placement), read_tiresias_options(options), muri_left);
}

}  // namespace orrery
