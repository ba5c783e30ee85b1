// Any free GPUs, lowest node first: counts, as if the cluster were one big node.
#include "policies/placement/placement_parts.hpp"
#include "policies/placement/placements.hpp"
#include "policies/placement/whole_gpus.hpp"

namespace orrery {
namespace {

class CountPlacement final : public CountingGpus {
 public:
  [[nodiscard]] std::string_view name() const override { return "count"; }
  [[nodiscard]] std::unique_ptr<Placement> clone() const override { return std::make_unique<CountPlacement>(*this); }

 protected:
  bool place_whole(const Demand& d, const Inventory& free, Allocation& out) override {
    return any_with(free, 1, Taking(d, free, out));
  }
};

}  // namespace

const PlacementInfo count_placement = {
    .name = "count",
    .doc = "any free GPUs, lowest node first; counts as if the cluster were one node",
    .make = [](std::uint64_t) -> std::unique_ptr<Placement> { return std::make_unique<CountPlacement>(); },
};

}  // namespace orrery
