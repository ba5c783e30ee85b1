#include "policies/placement/structured_placements.hpp"

#include <algorithm>
#include <bit>
#include <tuple>
#include <vector>

#include "policies/placement/placement_parts.hpp"
#include "policies/placement/placements.hpp"

namespace orrery {
namespace {

// Jobs of no whole GPU have no structure to look at: they go where `consolidated` puts them.
class StructuredPlacement : public Placement {
 public:
  bool place(const Demand& d, const Inventory& free, Allocation& out) final {
    if (d.gpus == 0 || d.milli_per_gpu < kMilliPerGpu) return plain_->place(d, free, out);
    if (free.free_gpus() < d.gpus) return false;
    if (place_whole(d, free, out)) return true;
    out.clear();
    return false;
  }

 protected:
  virtual bool place_whole(const Demand& d, const Inventory& free, Allocation& out) = 0;
  std::unique_ptr<Placement> plain_ = make_placement("consolidated", 1);
};

// A job's GPUs come from one block of a power of two, aligned to its size: within a node the block that leaves the
// larger blocks whole; for more than a node an aligned run of idle nodes of one width, wide ones tried first (the
// buddy cells of HiveD, OSDI'20). A block that reaches beyond the node or the last such node is cut off there; what
// is left of it must be free and hold the job.
class BuddyPlacement final : public StructuredPlacement {
 public:
  [[nodiscard]] std::string_view name() const override { return "buddy"; }

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

// Fewest racks, then fewest nodes, then most pairs of GPUs over NVLink (the largest pieces); among equals the rack
// that leaves the least over. A job that no rack holds goes over the racks with the most free GPUs.
class TopologyPlacement final : public StructuredPlacement {
 public:
  [[nodiscard]] std::string_view name() const override { return "topology"; }

 protected:
  bool place_whole(const Demand& d, const Inventory& free, Allocation& out) override {
    if (add_on_tightest(d, free, d.gpus, out)) return true;
    const Topology& topology = free.topology();
    std::vector<Rack> racks;
    for (std::size_t r = 0; r < topology.rack_count(); ++r) {
      Rack rack;
      for (NodeId n = topology.rack_first(r); n < topology.rack_last(r); n = NodeId(n.value + 1)) {
        const int k = usable(d, free, n, GpuMask::kMost);
        if (k > 0) rack.nodes.emplace_back(-k, n);
        rack.free += k;
      }
      std::sort(rack.nodes.begin(), rack.nodes.end());  // most free first, then in order
      if (rack.free > 0) racks.push_back(std::move(rack));
    }
    const Rack* best = nullptr;
    const auto worth = [&d](const Rack& r) { return std::tuple(r.nodes_for(d.gpus), -r.pairs_for(d.gpus), r.free); };
    for (const Rack& r : racks)
      if (r.free >= d.gpus && (best == nullptr || worth(r) < worth(*best))) best = &r;
    if (best != nullptr) return fill(d, free, best->nodes, d.gpus, out) == 0;
    std::stable_sort(racks.begin(), racks.end(), [](const Rack& a, const Rack& b) { return a.free > b.free; });
    Nodes nodes;  // of the fewest racks that hold the job together
    for (int held = 0; const Rack& r : racks) {
      if (held >= d.gpus) break;
      nodes.insert(nodes.end(), r.nodes.begin(), r.nodes.end());
      held += r.free;
    }
    std::sort(nodes.begin(), nodes.end());
    return fill(d, free, nodes, d.gpus, out) == 0;
  }

 private:
  using Nodes = std::vector<std::pair<int, NodeId>>;  // (-usable GPUs, node)
  struct Rack {
    Nodes nodes;
    int free = 0;
    [[nodiscard]] std::size_t nodes_for(int gpus) const {
      std::size_t n = 0;
      for (; gpus > 0; ++n) gpus += nodes[n].first;
      return n;
    }
    // Pairs of GPUs on one node, when so many are taken from the fewest nodes.
    [[nodiscard]] int pairs_for(int gpus) const {
      int pairs = 0;
      for (std::size_t n = 0; gpus > 0; ++n) {
        const int k = std::min(gpus, -nodes[n].first);
        pairs += k * (k - 1) / 2;
        gpus -= k;
      }
      return pairs;
    }
  };

  // Takes up to `gpus` from the nodes, the last piece from the tightest node that holds it; returns what is left.
  static int fill(const Demand& d, const Inventory& free, const Nodes& nodes, int gpus, Allocation& out) {
    for (std::size_t i = 0; i < nodes.size() && gpus > 0; ++i) {
      std::size_t at = i;
      while (-nodes[at].first >= gpus && at + 1 < nodes.size() && -nodes[at + 1].first >= gpus) ++at;
      const int k = std::min(gpus, -nodes[at].first);
      out.add(slice_of(d, nodes[at].second, free.free_mask(nodes[at].second), k));
      gpus -= k;
    }
    return gpus;
  }
};

}  // namespace

std::unique_ptr<Placement> make_buddy_placement() {
  return std::make_unique<BuddyPlacement>();
}
std::unique_ptr<Placement> make_topology_placement() {
  return std::make_unique<TopologyPlacement>();
}

}  // namespace orrery
