// How much of every GPU is taken, in thousandths: what the folds count cluster totals with. A GPU that several jobs
// share counts once, however much they over-subscribe it. Owns one number per GPU.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "sim/core/allocation.hpp"
#include "sim/core/assert.hpp"
#include "sim/core/units.hpp"

namespace orrery {

class GpuMeter {
 public:
  explicit GpuMeter(const std::vector<std::int32_t>& node_gpus) {
    for (const std::int32_t g : node_gpus) first_.push_back(first_.back() + static_cast<std::size_t>(g));
    used_.resize(first_.back());
  }

  // Adds (sign 1) or takes away (-1) what `a` holds; changed(node, milli) is told by how much a node's total changes.
  template <class Changed>
  void count(const Allocation& a, int sign, Changed changed) {
    for (const NodeSlice& s : a.slices()) {
      ORRERY_ASSERT(s.node.index() + 1 < first_.size(), "node {} is not in the cluster", s.node.value);
      const std::size_t first = first_[s.node.index()];
      std::int64_t delta = 0;
      for (GpuMask rest = s.gpus; rest.any(); rest.drop_lowest()) {
        const std::size_t gpu = first + static_cast<std::size_t>(rest.lowest());
        ORRERY_ASSERT(gpu < first_[s.node.index() + 1], "node {} has no GPU {}", s.node.value, gpu - first);
        delta -= std::min(used_[gpu], kMilliPerGpu);
        used_[gpu] += sign * s.milli_per_gpu;
        delta += std::min(used_[gpu], kMilliPerGpu);
      }
      changed(s.node.index(), delta);
    }
  }
  // Thousandths left on the i-th GPU of a node.
  [[nodiscard]] std::int32_t left(std::size_t node, std::size_t i) const {
    return kMilliPerGpu - std::min(used_[first_[node] + i], kMilliPerGpu);
  }

 private:
  std::vector<std::size_t> first_{0};  // [node] its first GPU; one more at the end
  std::vector<std::int32_t> used_;     // [GPU], all holders added up
};

}  // namespace orrery
