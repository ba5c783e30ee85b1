// The multiple-choice knapsack: one option of every group, total weight within a capacity, least total cost. Solved
// exactly by dynamic programming over the capacity; deterministic, the lightest of equally good options wins.
#pragma once

#include <cstdint>
#include <vector>

namespace orrery {

struct KnapsackOption {
  std::int32_t weight = 0;
  double cost = 0;
};

// groups[g] is not empty and holds an option of weight 0; the chosen index of each group. Costs
// capacity x total options.
[[nodiscard]] std::vector<std::size_t> choose_options(const std::vector<std::vector<KnapsackOption>>& groups,
                                                      std::int32_t capacity);

}  // namespace orrery
