// Longest pending first as the Tiresias simulator handles its list: pending times are never updated, which leaves the
// order of arrival, and the job after each started one is passed over at that event.
#include "policies/order/lpjf.hpp"
#include "policies/reference/versions.hpp"

namespace orrery {
namespace {

class SkippingPending final : public LongestPending {
 public:
  using LongestPending::LongestPending;
  [[nodiscard]] std::unique_ptr<Policy> clone() const override { return std::make_unique<SkippingPending>(*this); }

 protected:
  [[nodiscard]] bool passes_over_next() const override { return true; }
};

}  // namespace

std::unique_ptr<Policy> skipping_lpjf(PolicySetup setup, OptionReader&) {
  return std::make_unique<SkippingPending>(std::move(setup.placement));
}

}  // namespace orrery
