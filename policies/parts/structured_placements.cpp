#include "policies/parts/structured_placements.hpp"

#include <algorithm>
#include <bit>
#include <tuple>
#include <vector>

#include "policies/parts/placements.hpp"

namespace orrery {
namespace {

// `gpus` of the GPUs in `mask` of node `n`, with their share of the job's CPUs and memory.
NodeSlice slice_of(const Demand& d, NodeId n, GpuMask mask, int gpus) {
  NodeSlice s;
  s.node = n;
  s.gpus = mask.lowest(gpus);
  s.cpu_milli = (d.cpu_milli * gpus + d.gpus - 1) / d.gpus;
  s.mem_bytes = (d.mem_bytes * gpus + d.gpus - 1) / d.gpus;
  return s;
}

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
// larger blocks whole; for more than a node an aligned run of idle nodes (the buddy cells of HiveD, OSDI'20).
class BuddyPlacement final : public StructuredPlacement {
 public:
  [[nodiscard]] std::string_view name() const override { return "buddy"; }

 protected:
  bool place_whole(const Demand& d, const Inventory& free, Allocation& out) override {
    const auto width = std::bit_floor(static_cast<unsigned>(free.max_gpus_per_node()));
    const auto size = std::bit_ceil(static_cast<unsigned>(d.gpus));
    return size <= width ? within_node(d, free, size, out) : over_nodes(d, free, size / width, width, out);
  }

 private:
  // Size of the largest aligned block that is free and holds [first, first + size).
  static int free_around(GpuMask mask, int first, int size) {
    for (int larger = 2 * size; larger <= GpuMask::kMost; larger *= 2) {
      const int start = first / larger * larger;
      const GpuMask block = GpuMask::range(start, start + larger);
      if ((mask & block) != block) return larger / 2;
    }
    return GpuMask::kMost;
  }

  static bool within_node(const Demand& d, const Inventory& free, unsigned size, Allocation& out) {
    const int least = static_cast<int>(size);
    NodeId best;
    GpuMask best_block;
    int best_around = GpuMask::kMost + 1;
    for (NodeId n = free.first_with(least); n.valid(); n = free.first_with(least, NodeId(n.value + 1))) {
      if (!free.suits(d, n, d.gpus)) continue;
      const GpuMask mask = free.free_mask(n);
      for (int first = 0; first + least <= free.topology().node(n).gpus; first += least) {
        const GpuMask block = GpuMask::range(first, first + least);
        if ((mask & block) != block) continue;
        const int around = free_around(mask, first, least);
        if (around >= best_around) continue;
        best = n;
        best_block = block;
        best_around = around;
      }
      if (best_around == least) break;  // no block is tighter
    }
    if (!best.valid()) return false;
    out.add(slice_of(d, best, best_block, d.gpus));
    return true;
  }

  static bool over_nodes(const Demand& d, const Inventory& free, unsigned nodes, unsigned width, Allocation& out) {
    const int whole = static_cast<int>(width);
    const auto count = static_cast<std::uint32_t>(free.topology().node_count());
    for (std::uint32_t first = 0; first + nodes <= count; first += nodes) {
      bool idle = true;
      for (std::uint32_t n = first; n < first + nodes && idle; ++n)
        idle = free.free_on(NodeId(n)) == free.topology().node(NodeId(n)).gpus && free.free_on(NodeId(n)) >= whole &&
               free.suits(d, NodeId(n), whole);
      if (!idle) continue;
      int left = d.gpus;
      for (std::uint32_t n = first; left > 0; ++n) {
        const int k = std::min(left, whole);
        out.add(slice_of(d, NodeId(n), free.free_mask(NodeId(n)), k));
        left -= k;
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
    if (d.gpus <= free.max_gpus_per_node() && plain_->place(d, free, out)) return true;
    out.clear();
    const Topology& topology = free.topology();
    std::vector<Rack> racks;
    for (std::size_t r = 0; r < topology.rack_count(); ++r) {
      Rack rack;
      for (NodeId n = topology.rack_first(r); n < topology.rack_last(r); n = NodeId(n.value + 1)) {
        int k = free.free_on(n);
        while (k > 0 && !free.suits(d, n, k)) --k;
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
