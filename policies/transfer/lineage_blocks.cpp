#include "policies/transfer/lineage_blocks.hpp"

namespace orrery {

void LineageTail::assign(const std::vector<LineageBlock>& blocks) {
  best_first_.assign(blocks.rbegin(), blocks.rend());
  sums_.assign(1, {});
  for (const LineageBlock& b : best_first_) sums_.push_back(sums_.back() + b);
}

// A block joins while it is better than what leads it. Once one does not, no later one does: they are worse still.
LineageBlock LineageTail::led_by(const LineageBlock& own) const {
  std::size_t joined = 0;
  std::size_t most = best_first_.size();
  while (joined < most) {
    const std::size_t middle = (joined + most) / 2;
    if (best_first_[middle].better_than(own + sums_[middle]))
      joined = middle + 1;
    else
      most = middle;
  }
  return joined == 0 ? own : own + sums_[joined];
}

}  // namespace orrery
