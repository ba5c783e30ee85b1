// Jobs that ask for GPUs, treated worst first.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "sim/core/ids.hpp"

namespace orrery {

struct Bidder {
  JobId id{};
  std::int32_t gpus = 0;
  bool running = false;
  double rho = 0;
};

// Of equals the first in the list stays first.
inline void worst_first(std::vector<Bidder>& bidders) {
  std::stable_sort(bidders.begin(), bidders.end(), [](const Bidder& a, const Bidder& b) { return a.rho > b.rho; });
}

}  // namespace orrery
