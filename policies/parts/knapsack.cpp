#include "policies/parts/knapsack.hpp"

#include <algorithm>
#include <limits>

namespace orrery {

std::vector<std::size_t> choose_options(const std::vector<std::vector<KnapsackOption>>& groups,
                                        std::int32_t capacity) {
  const auto room = static_cast<std::size_t>(std::max(capacity, 0)) + 1;
  std::vector<double> best(room, 0), next(room);  // [weight at most] -> least cost of the groups so far
  std::vector<std::vector<std::uint32_t>> taken(groups.size(), std::vector<std::uint32_t>(room, 0));
  for (std::size_t g = 0; g < groups.size(); ++g) {
    std::fill(next.begin(), next.end(), std::numeric_limits<double>::infinity());
    for (std::uint32_t o = 0; o < groups[g].size(); ++o) {
      const KnapsackOption& option = groups[g][o];
      for (auto w = static_cast<std::size_t>(option.weight); w < room; ++w) {
        const double cost = best[w - static_cast<std::size_t>(option.weight)] + option.cost;
        if (cost >= next[w]) continue;
        next[w] = cost;
        taken[g][w] = o;
      }
    }
    best.swap(next);
  }
  std::vector<std::size_t> chosen(groups.size(), 0);
  std::size_t w = room - 1;
  for (std::size_t g = groups.size(); g-- > 0;) {
    chosen[g] = taken[g][w];
    w -= static_cast<std::size_t>(groups[g][chosen[g]].weight);
  }
  return chosen;
}

}  // namespace orrery
