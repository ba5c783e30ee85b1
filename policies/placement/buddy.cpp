// A job's GPUs come from one block of a power of two, aligned to its size: within a node the block that leaves the
// larger blocks whole; for more than a node an aligned run of idle nodes of one width, wide ones tried first (the
// buddy cells of HiveD, OSDI'20). A block that reaches beyond the node or the last such node is cut off there; what
// is left of it must be free and hold the job.
#include <algorithm>
#include <bit>
#include <vector>

#include "policies/placement/placement_parts.hpp"
#include "policies/placement/placements.hpp"
#include "policies/placement/whole_gpus.hpp"

namespace orrery {
namespace {

class BuddyPlacement final : public WholeGpus {
 public:
  [[nodiscard]] std::string_view name() const override { return "buddy"; }
  [[nodiscard]] std::unique_ptr<Placement> clone() const override { return std::make_unique<BuddyPlacement>(*this); }

 protected:
  bool place_whole(const Demand& d, const Inventory& free, Allocation& out) override {
    if (within_node(d, free, out)) return true;
    const NodeWidths widths(d, free.topology());
    for (const int width : widths.all())
      if (width < d.gpus && over_nodes(d, free, widths, width, out)) return true;
    return false;
  }

 private:
  // GPUs of the largest aligned block of a node of `gpus` GPUs that is free and holds [first, first + size).
  static int free_around(GpuMask mask, int first, int size, int gpus) {
    int most = std::min(size, gpus - first);
    for (int larger = 2 * size; larger / 2 < gpus; larger *= 2) {
      const int start = first / larger * larger;
      const GpuMask block = GpuMask::range(start, std::min(start + larger, gpus));
      if ((mask & block) != block) break;
      most = block.count();
    }
    return most;
  }

  static bool within_node(const Demand& d, const Inventory& free, Allocation& out) {
    if (d.gpus > free.max_gpus_per_node()) return false;
    const int size = static_cast<int>(std::bit_ceil(static_cast<unsigned>(d.gpus)));
    NodeId best;
    GpuMask best_block;
    int best_around = GpuMask::kMost + 1;
    for (NodeId n = free.first_with(d.gpus); n.valid(); n = free.first_with(d.gpus, NodeId(n.value + 1))) {
      if (!free.suits(d, n, d.gpus)) continue;
      const GpuMask mask = free.free_mask(n);
      const int gpus = free.topology().node(n).gpus;
      for (int first = 0; first + d.gpus <= gpus; first += size) {
        const GpuMask block = GpuMask::range(first, std::min(first + size, gpus));
        if ((mask & block) != block) continue;
        const int around = free_around(mask, first, size, gpus);
        if (around >= best_around) continue;
        best = n;
        best_block = block;
        best_around = around;
      }
      if (best_around == d.gpus) break;  // no block is tighter
    }
    if (!best.valid()) return false;
    out.add(slice_of(d, best, best_block, d.gpus));
    return true;
  }

  static bool over_nodes(const Demand& d, const Inventory& free, const NodeWidths& widths, int width,
                         Allocation& out) {
    std::vector<NodeId> nodes;  // of that width
    for (std::uint32_t n = 0; n < free.topology().node_count(); ++n)
      if (widths.of(NodeId(n)) == width) nodes.emplace_back(n);
    const auto idle = [&](NodeId n) {
      return free.free_on(n) == free.topology().node(n).gpus && free.suits(d, n, width);
    };
    const auto needed = static_cast<std::size_t>((d.gpus + width - 1) / width);
    const std::size_t size = std::bit_ceil(needed);
    for (std::size_t first = 0; first + needed <= nodes.size(); first += size) {
      const auto from = nodes.begin() + static_cast<std::ptrdiff_t>(first);
      const auto to = nodes.begin() + static_cast<std::ptrdiff_t>(std::min(first + size, nodes.size()));
      if (!std::all_of(from, to, idle)) continue;
      int left = d.gpus;
      for (auto n = from; left > 0; ++n) {
        add_gpus(d, free, *n, std::min(left, width), out);
        left -= std::min(left, width);
      }
      return true;
    }
    return false;
  }
};

}  // namespace

const PlacementInfo buddy_placement = {
    .name = "buddy",
    .doc = "an aligned block of a power of two; larger jobs an aligned run of idle nodes",
    .make = [](std::uint64_t) -> std::unique_ptr<Placement> { return std::make_unique<BuddyPlacement>(); },
};

}  // namespace orrery
