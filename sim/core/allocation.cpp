#include "sim/core/allocation.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "sim/core/assert.hpp"

namespace orrery {

void Allocation::add(const NodeSlice& slice) {
  const auto at = std::lower_bound(slices_.begin(), slices_.end(), slice.node,
                                   [](const NodeSlice& s, NodeId n) { return s.node < n; });
  ORRERY_ASSERT(at == slices_.end() || at->node != slice.node, "node {} twice in one allocation", slice.node.value);
  slices_.insert(at, slice);
}

std::string Allocation::to_string() const {
  std::string out;
  for (const NodeSlice& s : slices_) {
    if (!out.empty()) out += ',';
    fmt::format_to(std::back_inserter(out), "n{}:", s.node.value);
    bool first = true;
    for (int i = 0; i < 64; ++i) {
      if (((s.gpus >> i) & 1) == 0) continue;
      int last = i;
      while (last + 1 < 64 && ((s.gpus >> (last + 1)) & 1) != 0) ++last;
      fmt::format_to(std::back_inserter(out), "{}{}", first ? "" : "+", i);
      if (last > i) fmt::format_to(std::back_inserter(out), "-{}", last);
      first = false;
      i = last;
    }
    if (first) out += '-';
    if (s.milli_per_gpu != kMilliPerGpu) fmt::format_to(std::back_inserter(out), "@{}", s.milli_per_gpu);
  }
  return out;
}

}  // namespace orrery
