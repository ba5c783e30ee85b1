// One node, the first that fits; for more than its width whole idle nodes plus one node for the rest, all in one
// rack, racks of wide nodes before those of narrow ones, then in order; else it does not fit (SymbioticLab/Tiresias).
#include "policies/placement/placement_parts.hpp"
#include "policies/placement/placements.hpp"
#include "policies/placement/whole_gpus.hpp"

namespace orrery {
namespace {

class YarnPlacement final : public WholeGpus {
 public:
  [[nodiscard]] std::string_view name() const override { return "yarn"; }
  [[nodiscard]] std::unique_ptr<Placement> clone() const override { return std::make_unique<YarnPlacement>(*this); }

 protected:
  bool place_whole(const Demand& d, const Inventory& free, Allocation& out) override {
    const auto holds = [&](NodeId n) {
      if (!free.suits(d, n, d.gpus)) return false;
      add_gpus(d, free, n, d.gpus, out);
      return true;
    };
    if (d.gpus <= free.max_gpus_per_node() && any_with(free, d.gpus, holds)) return true;
    const Topology& topology = free.topology();
    const NodeWidths widths(d, topology);
    for (const int width : widths.all()) {
      if (width >= d.gpus) continue;  // one such node would do, and none is free
      for (std::size_t rack = 0; rack < topology.rack_count(); ++rack) {
        const NodeId first = topology.rack_first(rack);
        if (widths.of(first) != width) continue;  // of one group each: the nodes of a rack are equal
        if (place_in_rack(d, free, first, topology.rack_last(rack), width, out)) return true;
        out.clear();
      }
    }
    return false;
  }

 private:
  static bool place_in_rack(const Demand& d, const Inventory& free, NodeId first, NodeId last, int width,
                            Allocation& out) {
    const int idle = free.topology().node(first).gpus;
    int whole = d.gpus / width;
    const int rest = d.gpus % width;
    for (NodeId n = free.first_with(idle, first); n.valid() && n < last && whole > 0;
         n = free.first_with(idle, NodeId(n.value + 1))) {
      if (!free.suits(d, n, width)) continue;
      add_gpus(d, free, n, width, out);
      --whole;
    }
    if (whole > 0) return false;
    if (rest == 0) return true;
    for (NodeId n = free.first_with(rest, first); n.valid() && n < last;
         n = free.first_with(rest, NodeId(n.value + 1))) {
      if (out.touches(n) || !free.suits(d, n, rest)) continue;
      add_gpus(d, free, n, rest, out);
      return true;
    }
    return false;
  }
};

}  // namespace

const PlacementInfo yarn_placement = {
    .name = "yarn",
    .doc = "one node, first fit; larger jobs on idle nodes plus a rest, within one rack",
    .make = [](std::uint64_t) -> std::unique_ptr<Placement> { return std::make_unique<YarnPlacement>(); },
};

}  // namespace orrery
