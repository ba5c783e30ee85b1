// Placements that take nodes in the order of how many GPUs are free there: `pack` the fullest first, so that idle
// nodes stay whole; `most_free` the emptiest first, everything that is needed from each (Pollux's Optimus and
// Tiresias); `spread` the emptiest first, one GPU per node in turn, round after round.
#include <functional>
#include <vector>

#include "policies/placement/placement_parts.hpp"
#include "policies/placement/placements.hpp"
#include "policies/placement/whole_gpus.hpp"

namespace orrery {
namespace {

class PackPlacement final : public CountingGpus {
 public:
  [[nodiscard]] std::string_view name() const override { return "pack"; }
  [[nodiscard]] std::unique_ptr<Placement> clone() const override { return std::make_unique<PackPlacement>(*this); }

 protected:
  bool place_whole(const Demand& d, const Inventory& free, Allocation& out) override {
    Taking take(d, free, out);
    for (int f = 1; f <= free.max_gpus_per_node(); ++f)
      if (any_with_exactly(free, f, std::ref(take))) return true;
    return false;
  }
};

class MostFreePlacement final : public CountingGpus {
 public:
  [[nodiscard]] std::string_view name() const override { return "most_free"; }
  [[nodiscard]] std::unique_ptr<Placement> clone() const override {
    return std::make_unique<MostFreePlacement>(*this);
  }

 protected:
  bool place_whole(const Demand& d, const Inventory& free, Allocation& out) override {
    Taking take(d, free, out);
    for (int f = free.max_gpus_per_node(); f >= 1; --f)
      if (any_with_exactly(free, f, std::ref(take))) return true;
    return false;
  }
};

class SpreadPlacement final : public CountingGpus {
 public:
  [[nodiscard]] std::string_view name() const override { return "spread"; }
  [[nodiscard]] std::unique_ptr<Placement> clone() const override { return std::make_unique<SpreadPlacement>(*this); }

 protected:
  bool place_whole(const Demand& d, const Inventory& free, Allocation& out) override {
    nodes_.clear();
    int reachable = 0;
    const auto share = [&](NodeId n) {
      const int most = usable(d, free, n, d.gpus);
      if (most == 0) return false;
      nodes_.push_back({n, most, 0});
      reachable += most;
      return static_cast<int>(nodes_.size()) == d.gpus;  // one each is enough
    };
    for (int f = free.max_gpus_per_node(); f >= 1; --f)
      if (any_with_exactly(free, f, share)) break;
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

}  // namespace

const PlacementInfo most_free_placement = {
    .name = "most_free",
    .doc = "all that is needed from the node with the most free GPUs, then the next",
    .make = [](std::uint64_t) -> std::unique_ptr<Placement> { return std::make_unique<MostFreePlacement>(); },
};

const PlacementInfo pack_placement = {
    .name = "pack",
    .doc = "nodes with the fewest free GPUs first",
    .make = [](std::uint64_t) -> std::unique_ptr<Placement> { return std::make_unique<PackPlacement>(); },
};

const PlacementInfo spread_placement = {
    .name = "spread",
    .doc = "one GPU per node in turn, emptiest nodes first",
    .make = [](std::uint64_t) -> std::unique_ptr<Placement> { return std::make_unique<SpreadPlacement>(); },
};

}  // namespace orrery
