#include "policies/placement/placements.hpp"

#include <algorithm>

#include "policies/placement/placement_parts.hpp"
#include "policies/placement/structured_placements.hpp"
#include "sim/core/random.hpp"

namespace orrery {
namespace {

bool place_cpu_only(const Demand& d, const Inventory& free, Allocation& out) {
  for (std::uint32_t i = 0; i < free.topology().node_count(); ++i) {
    const NodeId n(i);
    if (!free.suits(d, n, 0)) continue;
    out.add({n, kMilliPerGpu, 0, d.cpu_milli, d.mem_bytes});
    return true;
  }
  return false;
}

bool place_fraction(const Demand& d, const Inventory& free, Allocation& out) {
  NodeId best_node;
  int best_gpu = 0;
  std::int32_t best_left = kMilliPerGpu;
  for (const auto& [node, gpu] : free.partly_free()) {
    const std::int32_t left = free.free_milli(node, gpu) - d.milli_per_gpu;
    if (left < 0 || left >= best_left || !free.suits(d, node, 1)) continue;
    best_node = node;
    best_gpu = gpu;
    best_left = left;
  }
  if (best_node.valid()) {
    out.add({best_node, d.milli_per_gpu, GpuMask::one(best_gpu), d.cpu_milli, d.mem_bytes});
    return true;
  }
  for (NodeId n = free.first_with(1); n.valid(); n = free.first_with(1, NodeId(n.value + 1))) {
    if (!free.suits(d, n, 1)) continue;
    add_gpus(d, free, n, 1, out);
    return true;
  }
  return false;
}

// What all placements share; subclasses place whole GPUs.
class BasePlacement : public Placement {
 public:
  bool place(const Demand& d, const Inventory& free, Allocation& out) final {
    if (d.gpus == 0) return place_cpu_only(d, free, out);
    if (d.milli_per_gpu < kMilliPerGpu) return place_fraction(d, free, out);
    if (free.free_gpus() < d.gpus) return false;
    if (place_whole(d, free, out)) return true;
    out.clear();
    return false;
  }

 protected:
  virtual bool place_whole(const Demand& d, const Inventory& free, Allocation& out) = 0;
};

// A placement that visits nodes in some order and takes what it needs from each.
class CountingPlacement : public BasePlacement {
 public:
  [[nodiscard]] bool counting() const final { return true; }
};

// Any free GPUs, lowest node first: counts, as if the cluster were one big node.
class CountPlacement final : public CountingPlacement {
 public:
  [[nodiscard]] std::string_view name() const override { return "count"; }

 protected:
  bool place_whole(const Demand& d, const Inventory& free, Allocation& out) override {
    int left = d.gpus;
    for (NodeId n = free.first_with(1); n.valid() && left > 0; n = free.first_with(1, NodeId(n.value + 1))) {
      const int k = usable(d, free, n, left);
      if (k > 0) add_gpus(d, free, n, k, out);
      left -= k;
    }
    return left == 0;
  }
};

// Fullest nodes first (fewest free GPUs, at least one), so that idle nodes stay whole.
class PackPlacement final : public CountingPlacement {
 public:
  [[nodiscard]] std::string_view name() const override { return "pack"; }

 protected:
  bool place_whole(const Demand& d, const Inventory& free, Allocation& out) override {
    int left = d.gpus;
    for (int f = 1; f <= free.max_gpus_per_node(); ++f) {
      for (NodeId n = free.first_with_exactly(f); n.valid(); n = free.first_with_exactly(f, NodeId(n.value + 1))) {
        const int k = usable(d, free, n, left);
        if (k > 0) add_gpus(d, free, n, k, out);
        left -= k;
        if (left == 0) return true;
      }
    }
    return false;
  }
};

// Repeatedly everything that is needed from the node with the most free GPUs (Pollux's Optimus and Tiresias).
class MostFreePlacement final : public CountingPlacement {
 public:
  [[nodiscard]] std::string_view name() const override { return "most_free"; }

 protected:
  bool place_whole(const Demand& d, const Inventory& free, Allocation& out) override {
    int left = d.gpus;
    for (int f = free.max_gpus_per_node(); f >= 1; --f) {
      for (NodeId n = free.first_with_exactly(f); n.valid(); n = free.first_with_exactly(f, NodeId(n.value + 1))) {
        const int k = usable(d, free, n, left);
        if (k > 0) add_gpus(d, free, n, k, out);
        left -= k;
        if (left == 0) return true;
      }
    }
    return false;
  }
};

// One GPU per node in turn, nodes with the most free GPUs first, round after round.
class SpreadPlacement final : public CountingPlacement {
 public:
  [[nodiscard]] std::string_view name() const override { return "spread"; }

 protected:
  bool place_whole(const Demand& d, const Inventory& free, Allocation& out) override {
    nodes_.clear();
    int reachable = 0;
    for (int f = free.max_gpus_per_node(); f >= 1; --f) {
      for (NodeId n = free.first_with_exactly(f); n.valid(); n = free.first_with_exactly(f, NodeId(n.value + 1))) {
        const int most = usable(d, free, n, d.gpus);
        if (most == 0) continue;
        nodes_.push_back({n, most, 0});
        reachable += most;
        if (static_cast<int>(nodes_.size()) == d.gpus) f = 0;  // one each is enough
        if (f == 0) break;
      }
    }
    if (reachable < d.gpus) return false;
    for (int left = d.gpus; left > 0;) {
      for (Share& s : nodes_) {
        if (left == 0 || s.taken == s.most) continue;
        ++s.taken;
        --left;
      }
    }
    for (const Share& s : nodes_)
      if (s.taken > 0) add_gpus(d, free, s.node, s.taken, out);
    return true;
  }

 private:
  struct Share {
    NodeId node;
    int most = 0;
    int taken = 0;
  };
  std::vector<Share> nodes_;
};

// Nodes in random order (a stream of the run's seed), everything that is needed from each.
class RandomPlacement final : public CountingPlacement {
 public:
  explicit RandomPlacement(std::uint64_t seed) : rng_(stream(seed, "placement/random")) {}
  [[nodiscard]] std::string_view name() const override { return "random"; }
  [[nodiscard]] std::uint64_t stream_state() const override {
    RandomStream copy = rng_;  // what it would draw next says where it stands
    return copy() ^ (copy() << 1);
  }

 protected:
  bool place_whole(const Demand& d, const Inventory& free, Allocation& out) override {
    nodes_.clear();
    for (NodeId n = free.first_with(1); n.valid(); n = free.first_with(1, NodeId(n.value + 1))) nodes_.push_back(n);
    int left = d.gpus;
    for (std::size_t i = 0; i < nodes_.size() && left > 0; ++i) {
      std::swap(nodes_[i], nodes_[i + uniform_below(rng_, nodes_.size() - i)]);
      const int k = usable(d, free, nodes_[i], left);
      if (k > 0) add_gpus(d, free, nodes_[i], k, out);
      left -= k;
    }
    return left == 0;
  }

 private:
  RandomStream rng_;
  std::vector<NodeId> nodes_;
};

// One node, the first that fits; for more than its width whole idle nodes plus one node for the rest, all in one
// rack, racks of wide nodes before those of narrow ones, then in order; else it does not fit (SymbioticLab/Tiresias).
class YarnPlacement final : public BasePlacement {
 public:
  [[nodiscard]] std::string_view name() const override { return "yarn"; }

 protected:
  bool place_whole(const Demand& d, const Inventory& free, Allocation& out) override {
    if (d.gpus <= free.max_gpus_per_node()) {
      for (NodeId n = free.first_with(d.gpus); n.valid(); n = free.first_with(d.gpus, NodeId(n.value + 1))) {
        if (!free.suits(d, n, d.gpus)) continue;
        add_gpus(d, free, n, d.gpus, out);
        return true;
      }
    }
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

// The tightest node that fits; for more than its width whole idle nodes of one width and the tightest node for the
// rest, anywhere; wide nodes are tried before narrow ones; else it does not fit (S-Lab-System-Group/Lucid).
class ConsolidatedPlacement final : public BasePlacement {
 public:
  [[nodiscard]] std::string_view name() const override { return "consolidated"; }

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

// On as few nodes as could hold it when they are idle: one node, the tightest that fits; for more than a node the
// emptiest ones, provided that no more of them are used than that; else on the narrower nodes alone, by the same
// rule; else it does not fit (TitanSched).
class FewestPlacement final : public BasePlacement {
 public:
  [[nodiscard]] std::string_view name() const override { return "fewest"; }

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

const std::vector<PlacementInfo>& placement_table() {
  static const std::vector<PlacementInfo> table = {
      {"count", "any free GPUs, lowest node first; counts as if the cluster were one node"},
      {"yarn", "one node, first fit; larger jobs on idle nodes plus a rest, within one rack"},
      {"consolidated", "the tightest node that fits; larger jobs on idle nodes plus the tightest for the rest"},
      {"most_free", "all that is needed from the node with the most free GPUs, then the next"},
      {"fewest", "no more nodes than it needs on an idle cluster: the tightest one, or the emptiest ones"},
      {"pack", "nodes with the fewest free GPUs first"},
      {"spread", "one GPU per node in turn, emptiest nodes first"},
      {"buddy", "an aligned block of a power of two; larger jobs an aligned run of idle nodes"},
      {"topology", "fewest racks, then fewest nodes, then most pairs of GPUs over NVLink"},
      {"random", "nodes in random order, from the run's seed"},
  };
  return table;
}

std::unique_ptr<Placement> make_placement(std::string_view name, std::uint64_t seed) {
  if (name == "count") return std::make_unique<CountPlacement>();
  if (name == "yarn") return std::make_unique<YarnPlacement>();
  if (name == "consolidated") return std::make_unique<ConsolidatedPlacement>();
  if (name == "most_free") return std::make_unique<MostFreePlacement>();
  if (name == "fewest") return std::make_unique<FewestPlacement>();
  if (name == "pack") return std::make_unique<PackPlacement>();
  if (name == "spread") return std::make_unique<SpreadPlacement>();
  if (name == "buddy") return make_buddy_placement();
  if (name == "topology") return make_topology_placement();
  if (name == "random") return std::make_unique<RandomPlacement>(seed);
  return nullptr;
}

}  // namespace orrery
