// Fewest racks, then fewest nodes, then most pairs of GPUs over NVLink (the largest pieces); among equals the rack
// that leaves the least over. A job that no rack holds goes over the racks with the most free GPUs.
#include <algorithm>
#include <tuple>
#include <vector>

#include "policies/placement/placement_parts.hpp"
#include "policies/placement/placements.hpp"
#include "policies/placement/whole_gpus.hpp"

namespace orrery {
namespace {

class TopologyPlacement final : public WholeGpus {
 public:
  [[nodiscard]] std::string_view name() const override { return "topology"; }
  [[nodiscard]] std::unique_ptr<Placement> clone() const override {
    return std::make_unique<TopologyPlacement>(*this);
  }

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

const PlacementInfo topology_placement = {
    .name = "topology",
    .doc = "fewest racks, then fewest nodes, then most pairs of GPUs over NVLink",
    .make = [](std::uint64_t) -> std::unique_ptr<Placement> { return std::make_unique<TopologyPlacement>(); },
};

}  // namespace orrery
