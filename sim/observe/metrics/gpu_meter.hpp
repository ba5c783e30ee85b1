// How much of every GPU is taken, in thousandths: what the folds count cluster totals with. A GPU that several jobs
// share counts once, however much they over-subscribe it. Owns one number per GPU, and asks it only of GPUs that are
// not simply free or held whole by one job: nearly always a node is a mask.
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
    std::size_t first = 0;
    for (const std::int32_t g : node_gpus) {
      nodes_.push_back({GpuMask::first(g), {}, {}, first});
      first += static_cast<std::size_t>(g);
    }
    used_.resize(first);
  }

  // Adds (sign 1) or takes away (-1) what `a` holds; changed(node, milli) is told by how much a node's total changes.
  template <class Changed>
  void count(const Allocation& a, int sign, Changed changed) {
    for (const NodeSlice& s : a.slices()) {
      ORRERY_ASSERT(s.node.index() < nodes_.size(), "node {} is not in the cluster", s.node.value);
      Node& n = nodes_[s.node.index()];
      ORRERY_ASSERT(!(s.gpus & ~n.all).any(), "node {} has no GPU {}", s.node.value, (s.gpus & ~n.all).lowest());
      const bool whole = s.milli_per_gpu == kMilliPerGpu;
      if (whole && sign > 0 && !(s.gpus & (n.whole | n.other)).any()) {
        n.whole |= s.gpus;
        changed(s.node.index(), std::int64_t{s.gpu_count()} * kMilliPerGpu);
      } else if (whole && sign < 0 && !(s.gpus & ~n.whole).any()) {
        n.whole &= ~s.gpus;
        changed(s.node.index(), -std::int64_t{s.gpu_count()} * kMilliPerGpu);
      } else {
        changed(s.node.index(), count_each(n, s, sign));
      }
    }
  }
  // Whether every GPU of a node is free or held whole, and how many of them are free.
  [[nodiscard]] bool only_whole(std::size_t node) const { return !nodes_[node].other.any(); }
  [[nodiscard]] int free(std::size_t node) const { return (nodes_[node].all & ~nodes_[node].whole).count(); }
  // Thousandths left on the i-th GPU of a node.
  [[nodiscard]] std::int32_t left(std::size_t node, std::size_t i) const {
    const Node& n = nodes_[node];
    if (n.whole.has(static_cast<int>(i))) return 0;
    return kMilliPerGpu - std::min(used_[n.first + i], kMilliPerGpu);
  }

 private:
  struct Node {
    GpuMask all, whole, other;  // that there are; held whole by one job; taken in any other way
    std::size_t first;          // of its GPUs in used_
  };

  std::int64_t count_each(Node& n, const NodeSlice& s, int sign) {
    std::int64_t delta = 0;
    for (GpuMask rest = s.gpus; rest.any(); rest.drop_lowest()) {
      const int i = rest.lowest();
      const GpuMask gpu = GpuMask::one(i);
      std::int32_t& used = used_[n.first + static_cast<std::size_t>(i)];
      if (n.whole.has(i)) used = kMilliPerGpu;
      n.whole &= ~gpu;
      delta -= std::min(used, kMilliPerGpu);
      used += sign * s.milli_per_gpu;
      delta += std::min(used, kMilliPerGpu);
      if (used == 0)
        n.other &= ~gpu;
      else
        n.other |= gpu;
    }
    return delta;
  }

  std::vector<Node> nodes_;
  std::vector<std::int32_t> used_;  // [GPU], all holders added up; 0 of those held whole by one job
};

}  // namespace orrery
