// The heaviest matching, against every matching of small graphs.
#include <catch2/catch.hpp>

#include "policies/parts/weighted_matching.hpp"
#include "sim/core/random.hpp"

namespace {

using namespace orrery;

std::int64_t weight_of(const std::vector<std::uint32_t>& mates, const std::vector<WeightedEdge>& edges) {
  std::int64_t sum = 0;
  for (const WeightedEdge& e : edges)
    if (mates[e.a] == e.b) sum += e.weight;
  return sum;
}

// Of all matchings: the best over sets of vertices, each of which is left alone or matched with one of the others.
std::int64_t best_of_all(std::uint32_t n, const std::vector<WeightedEdge>& edges) {
  std::vector<std::int64_t> best(std::size_t{1} << n, 0);
  for (std::uint32_t set = 1; set < best.size(); ++set) {
    const auto first = static_cast<std::uint32_t>(__builtin_ctz(set));
    const std::uint32_t rest = set & (set - 1);
    best[set] = best[rest];
    for (const WeightedEdge& e : edges) {
      const std::uint32_t other = e.a == first ? e.b : e.b == first ? e.a : first;
      if (other == first || (rest >> other & 1U) == 0) continue;
      best[set] = std::max(best[set], best[rest & ~(1U << other)] + e.weight);
    }
  }
  return best.back();
}

struct RandomGraph {
  std::uint32_t n = 0;
  std::vector<WeightedEdge> edges;
};
RandomGraph random_graph(std::uint64_t seed, std::uint32_t most) {
  RandomStream rng = stream(seed, "tests/matching");
  RandomGraph g;
  g.n = static_cast<std::uint32_t>(2 + uniform_below(rng, most - 1));
  const std::uint64_t density = 1 + uniform_below(rng, 10);
  // Few different weights make ties and blossoms.
  const std::uint64_t weights = std::vector<std::uint64_t>{3, 100, 1'000'000'000}[seed % 3];
  for (std::uint32_t a = 0; a < g.n; ++a)
    for (std::uint32_t b = a + 1; b < g.n; ++b)
      if (uniform_below(rng, 10) < density)
        g.edges.push_back({a, b, static_cast<std::int64_t>(1 + uniform_below(rng, weights))});
  return g;
}

}  // namespace

TEST_CASE("matching: worked by hand", "[matching]") {
  // A path 5 - 6 - 5: the ends are worth more than the middle.
  CHECK(heaviest_matching(4, std::vector<WeightedEdge>{{0, 1, 5}, {1, 2, 6}, {2, 3, 5}}) ==
        std::vector<std::uint32_t>{1, 0, 3, 2});
  // With 11 in the middle it is the other way round: heaviest, not most.
  CHECK(heaviest_matching(4, std::vector<WeightedEdge>{{0, 1, 5}, {1, 2, 11}, {2, 3, 5}}) ==
        std::vector<std::uint32_t>{kUnmatched, 2, 1, kUnmatched});
  // A triangle with a tail: 0 - 1 - 2 - 0 of 8, 9, 10 and 2 - 3 of 7: 8 + 7.
  CHECK(heaviest_matching(4, std::vector<WeightedEdge>{{0, 1, 8}, {1, 2, 9}, {0, 2, 10}, {2, 3, 7}}) ==
        std::vector<std::uint32_t>{1, 0, 3, 2});
  CHECK(heaviest_matching(3, {}) == std::vector<std::uint32_t>(3, kUnmatched));
  CHECK(heaviest_matching(0, {}).empty());
  CHECK(heaviest_matching(2, std::vector<WeightedEdge>{{0, 1, 0}}) == std::vector<std::uint32_t>(2, kUnmatched));
  CHECK(heaviest_matching(2, std::vector<WeightedEdge>{{0, 1, -3}}) == std::vector<std::uint32_t>(2, kUnmatched));
}

TEST_CASE("matching: as heavy as the best of all matchings in 2,000 random graphs", "[matching]") {
  for (std::uint64_t seed = 1; seed <= 2000; ++seed) {
    INFO("seed " << seed);
    const RandomGraph g = random_graph(seed, 10);
    const std::vector<std::uint32_t> mates = heaviest_matching(g.n, g.edges);
    for (std::uint32_t v = 0; v < g.n; ++v)
      if (mates[v] != kUnmatched) REQUIRE(mates[mates[v]] == v);
    REQUIRE(weight_of(mates, g.edges) == best_of_all(g.n, g.edges));
  }
}

// Of 32 vertices there are too many matchings: nothing is better by an edge more, or by one for two.
TEST_CASE("matching: of 32 vertices no small change is heavier", "[matching]") {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    INFO("seed " << seed);
    RandomGraph g = random_graph(seed, 32);
    const std::vector<std::uint32_t> mates = heaviest_matching(g.n, g.edges);
    std::vector<std::int64_t> held(g.n, 0);
    for (const WeightedEdge& e : g.edges)
      if (mates[e.a] == e.b) held[e.a] = held[e.b] = e.weight;
    for (const WeightedEdge& e : g.edges)
      if (mates[e.a] != e.b) CHECK(e.weight <= held[e.a] + held[e.b]);
    CHECK(heaviest_matching(g.n, g.edges) == mates);
  }
}
