// On as few nodes as could hold it when they are idle: one node, the tightest that fits; for more than a node the
// emptiest ones, provided that no more of them are used than that; else on the narrower nodes alone, by the same
// rule; else it does not fit (TitanSched).
#include "policies/placement/placement_parts.hpp"
#include "policies/placement/placements.hpp"
#include "policies/placement/whole_gpus.hpp"

namespace orrery {
namespace {

class FewestPlacement final : public WholeGpus {
 public:
  [[nodiscard]] std::string_view name() const override { return "fewest"; }
  [[nodiscard]] std::unique_ptr<Placement> clone() const override { return std::make_unique<FewestPlacement>(*this); }

 protected:
  bool place_whole(const Demand& d, const Inventory& free, Allocation& out) override {
    if (add_on_tightest(d, free, d.gpus, out)) return true;
    const NodeWidths widths(d, free.topology());
    for (const int width : widths.all()) {
      const int nodes = widths.nodes_for(d.gpus, width);
      if (nodes == 0) return false;  // nor do the narrower ones hold it
      if (nodes > 1 && place_on_emptiest(d, free, widths, width, nodes, out)) return true;
      out.clear();
    }
    return false;
  }

 private:
  // On at most `nodes` of the nodes no wider than `width`, those first that can give most.
  static bool place_on_emptiest(const Demand& d, const Inventory& free, const NodeWidths& widths, int width,
                                int nodes, Allocation& out) {
    int left = d.gpus;
    for (int k = widths.all().front(); k >= 1; --k) {
      for (int f = d.plain() ? k : free.max_gpus_per_node(); f >= k; --f) {
        for (NodeId n = free.first_with_exactly(f); n.valid(); n = free.first_with_exactly(f, NodeId(n.value + 1))) {
          if (widths.of(n) > width || usable(d, free, n, widths.of(n)) != k) continue;
          if (nodes-- == 0) return false;
          add_gpus(d, free, n, std::min(k, left), out);
          left -= std::min(k, left);
          if (left == 0) return true;
        }
      }
    }
    return false;
  }
};

}  // namespace

const PlacementInfo fewest_placement = {
    .name = "fewest",
    .doc = "no more nodes than it needs on an idle cluster: the tightest one, or the emptiest ones",
    .make = [](std::uint64_t) -> std::unique_ptr<Placement> { return std::make_unique<FewestPlacement>(); },
};

}  // namespace orrery
