// The tightest node that fits; for more than its width whole idle nodes of one width and the tightest node for the
// rest, anywhere; wide nodes are tried before narrow ones; else it does not fit (S-Lab-System-Group/Lucid).
#include "policies/placement/placement_parts.hpp"
#include "policies/placement/placements.hpp"
#include "policies/placement/whole_gpus.hpp"

namespace orrery {
namespace {

class ConsolidatedPlacement final : public WholeGpus {
 public:
  [[nodiscard]] std::string_view name() const override { return "consolidated"; }
  [[nodiscard]] std::unique_ptr<Placement> clone() const override {
    return std::make_unique<ConsolidatedPlacement>(*this);
  }

 protected:
  bool place_whole(const Demand& d, const Inventory& free, Allocation& out) override {
    if (add_on_tightest(d, free, d.gpus, out)) return true;
    const NodeWidths widths(d, free.topology());
    for (const int width : widths.all()) {
      if (width >= d.gpus) continue;  // one such node would do, and none is free
      if (place_over_nodes(d, free, widths, width, out)) return true;
      out.clear();
    }
    return false;
  }

 private:
  static bool place_over_nodes(const Demand& d, const Inventory& free, const NodeWidths& widths, int width,
                               Allocation& out) {
    int left = d.gpus / width;
    for (const int idle : free.topology().widths()) {
      for (NodeId n = free.first_with_exactly(idle); n.valid() && left > 0;
           n = free.first_with_exactly(idle, NodeId(n.value + 1))) {
        if (widths.of(n) != width || free.topology().node(n).gpus != idle || !free.suits(d, n, width)) continue;
        add_gpus(d, free, n, width, out);
        --left;
      }
    }
    return left == 0 && (d.gpus % width == 0 || add_on_tightest(d, free, d.gpus % width, out));
  }
};

}  // namespace

const PlacementInfo consolidated_placement = {
    .name = "consolidated",
    .doc = "the tightest node that fits; larger jobs on idle nodes plus the tightest for the rest",
    .make = [](std::uint64_t) -> std::unique_ptr<Placement> { return std::make_unique<ConsolidatedPlacement>(); },
};

}  // namespace orrery
