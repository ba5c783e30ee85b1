// Nodes in random order (a stream of the run's seed), everything that is needed from each.
#include <utility>
#include <vector>

#include "policies/placement/placement_parts.hpp"
#include "policies/placement/placements.hpp"
#include "policies/placement/whole_gpus.hpp"
#include "sim/core/random.hpp"

namespace orrery {
namespace {

class RandomPlacement final : public CountingGpus {
 public:
  explicit RandomPlacement(std::uint64_t seed) : rng_(stream(seed, "placement/random")) {}
  [[nodiscard]] std::string_view name() const override { return "random"; }
  [[nodiscard]] std::unique_ptr<Placement> clone() const override { return std::make_unique<RandomPlacement>(*this); }
  [[nodiscard]] std::uint64_t stream_state() const override {
    RandomStream copy = rng_;  // what it would draw next says where it stands
    return copy() ^ (copy() << 1);
  }

 protected:
  bool place_whole(const Demand& d, const Inventory& free, Allocation& out) override {
    nodes_.clear();
    any_with(free, 1, [this](NodeId n) {
      nodes_.push_back(n);
      return false;
    });
    Taking take(d, free, out);
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
      std::swap(nodes_[i], nodes_[i + uniform_below(rng_, nodes_.size() - i)]);
      if (take(nodes_[i])) return true;
    }
    return false;
  }

 private:
  RandomStream rng_;
  std::vector<NodeId> nodes_;
};

}  // namespace

const PlacementInfo random_placement = {
    .name = "random",
    .doc = "nodes in random order, from the run's seed",
    .make = [](std::uint64_t seed) -> std::unique_ptr<Placement> { return std::make_unique<RandomPlacement>(seed); },
};

}  // namespace orrery
