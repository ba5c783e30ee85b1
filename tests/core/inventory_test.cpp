// The inventory against a naive array of free thousandths per GPU, under random takes and gives; down nodes; indices.
#include <catch2/catch.hpp>

#include "sim/core/inventory.hpp"
#include "sim/core/random.hpp"
#include "tests/support/world.hpp"

namespace {

using namespace orrery;
using namespace orrery::test;

struct Held {
  Allocation gpus;
  Sharing sharing;
};

Allocation slice(std::uint32_t node, std::uint64_t gpus, std::int32_t milli = kMilliPerGpu) {
  Allocation a;
  a.add({.node = NodeId(node), .milli_per_gpu = milli, .gpus = gpus});
  return a;
}

}  // namespace

TEST_CASE("the inventory agrees with a naive one", "[core]") {
  constexpr std::uint32_t kNodes = 6;
  constexpr int kGpus = 8;
  const Topology topology(cluster(kNodes, kGpus));
  Inventory inventory(topology);
  std::vector<std::vector<int>> free(kNodes, std::vector<int>(kGpus, kMilliPerGpu));
  std::vector<Held> held;
  RandomStream rng = stream(3, "tests/inventory");
  for (int step = 0; step < 20'000; ++step) {
    if (!held.empty() && uniform_below(rng, 2) == 0) {
      std::swap(held[uniform_below(rng, held.size())], held.back());
      const NodeSlice& s = held.back().gpus.slices()[0];
      for (int g = 0; g < kGpus; ++g)
        if (s.gpus.has(g)) free[s.node.index()][static_cast<std::size_t>(g)] += s.milli_per_gpu;
      inventory.give(held.back().gpus, held.back().sharing);
      held.pop_back();
    } else {
      const auto node = static_cast<std::uint32_t>(uniform_below(rng, kNodes));
      const bool fraction = uniform_below(rng, 2) == 0;
      const std::uint64_t mask =
          fraction ? std::uint64_t{1} << uniform_below(rng, kGpus) : 1 + uniform_below(rng, 255);
      const auto milli = fraction ? static_cast<std::int32_t>(100 * (1 + uniform_below(rng, 9))) : kMilliPerGpu;
      bool fits = true;
      for (int g = 0; g < kGpus; ++g)
        if ((mask >> g & 1) != 0) fits = fits && free[node][static_cast<std::size_t>(g)] >= milli;
      const Allocation a = slice(node, mask, milli);
      const Sharing sharing = fraction ? Sharing::fraction : Sharing::exclusive;
      REQUIRE(inventory.can_take(a, sharing) == fits);
      if (!fits) continue;
      inventory.take(a, sharing);
      for (int g = 0; g < kGpus; ++g)
        if ((mask >> g & 1) != 0) free[node][static_cast<std::size_t>(g)] -= milli;
      held.push_back({a, sharing});
    }
    std::int64_t whole = 0;
    std::vector<int> per_node;
    for (const auto& n : free) {
      per_node.push_back(static_cast<int>(std::count(n.begin(), n.end(), kMilliPerGpu)));
      whole += per_node.back();
    }
    REQUIRE(inventory.free_gpus() == whole);
    const int want = static_cast<int>(1 + uniform_below(rng, kGpus));
    const auto first = std::find_if(per_node.begin(), per_node.end(), [want](int n) { return n >= want; });
    const NodeId found = inventory.first_with(want);
    REQUIRE(found.valid() == (first != per_node.end()));
    if (found.valid()) REQUIRE(found.index() == static_cast<std::size_t>(first - per_node.begin()));
    const NodeId tightest = inventory.tightest_with(want);
    if (tightest.valid())
      for (const int n : per_node) REQUIRE((n < want || n >= per_node[tightest.index()]));
  }
}

TEST_CASE("a node that is down offers nothing and keeps its books", "[core]") {
  const Topology topology(cluster(2, 4));
  Inventory inventory(topology);
  const Allocation two = slice(0, 0b0011);
  inventory.take(two);
  inventory.set_down(NodeId(0), true);
  CHECK(inventory.free_gpus() == 4);
  CHECK(inventory.usable_gpus() == 4);
  CHECK_FALSE(inventory.can_take(slice(0, 0b0100)));
  CHECK(inventory.first_with(1) == NodeId(1));
  inventory.give(two);  // what was held there ends while it is down
  CHECK(inventory.free_gpus() == 4);
  inventory.set_down(NodeId(0), false);
  CHECK(inventory.free_gpus() == 8);
}
