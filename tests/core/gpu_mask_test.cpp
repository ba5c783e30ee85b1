// Masks of up to 128 GPUs against std::bitset, and what is built on them: text and back, inventories, whole runs on
// nodes of 72 GPUs under every policy.
#include <bitset>
#include <catch2/catch.hpp>

#include "sim/core/random.hpp"
#include "tests/support/world.hpp"

namespace {

using namespace orrery;
using namespace orrery::test;

using Bits = std::bitset<GpuMask::kMost>;

Bits bits_of(GpuMask m) {
  return Bits(m.high_word()) << 64 | Bits(m.low_word());
}

GpuMask random_mask(RandomStream& rng) {
  const auto word = [&rng] { return uniform_below(rng, 3) == 0 ? 0 : rng() & rng(); };
  const std::uint64_t low = word();
  return {low, word()};
}

}  // namespace

TEST_CASE("a mask of GPUs is a set of up to 128", "[core]") {
  RandomStream rng = stream(4, "tests/gpu_mask");
  for (int round = 0; round < 2000; ++round) {
    const GpuMask a = random_mask(rng), b = random_mask(rng);
    const Bits x = bits_of(a), y = bits_of(b);
    REQUIRE(bits_of(a & b) == (x & y));
    REQUIRE(bits_of(a | b) == (x | y));
    REQUIRE(bits_of(~a) == ~x);
    REQUIRE(a.any() == x.any());
    REQUIRE(a.count() == static_cast<int>(x.count()));
    std::vector<int> gpus;
    for (GpuMask rest = a; rest.any(); rest.drop_lowest()) gpus.push_back(rest.lowest());
    std::vector<int> expected;
    for (int i = 0; i < GpuMask::kMost; ++i)
      if (x.test(static_cast<std::size_t>(i))) expected.push_back(i);
    REQUIRE(gpus == expected);
    const auto n = static_cast<int>(uniform_below(rng, GpuMask::kMost + 1));
    REQUIRE(bits_of(GpuMask::first(n)).count() == static_cast<std::size_t>(n));
    REQUIRE(a.lowest(n).count() == std::min(n, a.count()));
    REQUIRE((a.lowest(n) & ~a) == GpuMask());
    const auto from = static_cast<int>(uniform_below(rng, static_cast<std::uint64_t>(n) + 1));
    REQUIRE(GpuMask::range(from, n) == (GpuMask::first(n) & ~GpuMask::first(from)));
  }
  CHECK_FALSE(GpuMask::first(128).has(128));
  CHECK(GpuMask().lowest() == GpuMask::kMost);
  CHECK(GpuMask::one(127).lowest() == 127);
}

TEST_CASE("an allocation of a node of 128 GPUs is text and back", "[core]") {
  RandomStream rng = stream(5, "tests/gpu_mask");
  for (int round = 0; round < 500; ++round) {
    Allocation a;
    a.add({.node = NodeId(3), .gpus = random_mask(rng)});
    REQUIRE(parse_allocation(a.to_string()) == a);
  }
  Allocation all;
  all.add({.node = NodeId(0), .gpus = GpuMask::first(128)});
  CHECK(all.to_string() == "n0:0-127");
  CHECK_FALSE(parse_allocation("n0:0-128"));
}

TEST_CASE("nodes of 72 GPUs run under every policy and placement", "[core]") {
  const std::vector<TinyJob> jobs{{0, 72, 100}, {0, 70, 50}, {1, 100, 20}, {2, 66, 30}, {3, 1, 500}, {4, 144, 10}};
  for (const PolicyInfo& info : policy_table()) {
    INFO(info.name);
    for (const Outcome& j : run_world(cluster(2, 72), jobs, {std::string(info.name)}).jobs)
      CHECK(j.state == JobState::finished);
  }
  for (const PlacementInfo& info : placement_table()) {
    INFO(info.name);
    // 72 beside 70; then 100 and 144 alone; 66 + 66 as soon as there is room: 100 + 20 + 30 at the least.
    for (const Outcome& j : run_world(cluster(2, 72), jobs, {"fifo", std::string(info.name)}).jobs)
      CHECK(j.state == JobState::finished);
  }
}
