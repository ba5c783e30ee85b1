// The matching of greatest weight in a graph: edges without a common end whose weights have the greatest sum. Solved
// exactly by Edmonds' primal-dual algorithm (Paths, trees, and flowers, 1965; Galil, Efficient algorithms for finding
// maximum matching in graphs, 1986), by integers, so that the same graph always has the same matching. At most n^4
// steps for n vertices: made for small graphs, such as 32 vertices.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace orrery {

struct WeightedEdge {
  std::uint32_t a = 0, b = 0;  // two different vertices
  std::int64_t weight = 0;     // at most kMostEdgeWeight; 0 or less: never matched
};
inline constexpr std::int64_t kMostEdgeWeight = std::int64_t{1} << 58;

inline constexpr std::uint32_t kUnmatched = 0xffffffff;

// [vertex] the other end of its edge in the matching, kUnmatched where it is in none. Of two edges with the same ends
// the heavier counts.
[[nodiscard]] std::vector<std::uint32_t> heaviest_matching(std::uint32_t vertices,
                                                           std::span<const WeightedEdge> edges);

}  // namespace orrery
