// What the placements share: the slice of a node that a job gets, what a node can give it now, and the tightest node
// that holds it. Nodes need not be equal: what is "one node" or "whole nodes" is judged per width (NodeWidths), from
// wide to narrow.
#pragma once

#include <algorithm>

#include "sim/core/inventory.hpp"
#include "sim/core/node_widths.hpp"

namespace orrery {

// The `gpus` lowest GPUs in `mask` of node `n`, with their share of the job's CPUs and memory.
[[nodiscard]] inline NodeSlice slice_of(const Demand& d, NodeId n, GpuMask mask, int gpus) {
  NodeSlice s;
  s.node = n;
  s.milli_per_gpu = d.milli_per_gpu;
  s.gpus = mask.lowest(gpus);
  s.cpu_milli = part_of_job(d, d.cpu_milli, gpus);
  s.mem_bytes = part_of_job(d, d.mem_bytes, gpus);
  return s;
}

// Adds `gpus` free GPUs of node `n`.
inline void add_gpus(const Demand& d, const Inventory& free, NodeId n, int gpus, Allocation& out) {
  out.add(slice_of(d, n, free.free_mask(n), gpus));
}

// How many of `wanted` GPUs node `n` can give to this demand now.
[[nodiscard]] inline int usable(const Demand& d, const Inventory& free, NodeId n, int wanted) {
  int k = std::min(free.free_on(n), wanted);
  while (k > 0 && !free.suits(d, n, k)) --k;
  return k;
}

// Shows `visit` the nodes with at least (exactly) `gpus` free GPUs in their order, from `from` on, until it returns
// true; whether it did.
template <class Visit>
bool any_with(const Inventory& free, int gpus, Visit visit, NodeId from = NodeId(0)) {
  for (NodeId n = free.first_with(gpus, from); n.valid(); n = free.first_with(gpus, NodeId(n.value + 1)))
    if (visit(n)) return true;
  return false;
}
template <class Visit>
bool any_with_exactly(const Inventory& free, int gpus, Visit visit) {
  for (NodeId n = free.first_with_exactly(gpus); n.valid(); n = free.first_with_exactly(gpus, NodeId(n.value + 1)))
    if (visit(n)) return true;
  return false;
}

// Takes GPUs of nodes until the job has what it wants.
class Taking {
 public:
  Taking(const Demand& d, const Inventory& free, Allocation& out) : d_(&d), free_(&free), out_(&out), left_(d.gpus) {}
  // As many as the node can give; true when the job needs no more.
  bool operator()(NodeId n) {
    const int k = usable(*d_, *free_, n, left_);
    if (k > 0) add_gpus(*d_, *free_, n, k, *out_);
    left_ -= k;
    return left_ == 0;
  }

 private:
  const Demand* d_;
  const Inventory* free_;
  Allocation* out_;
  int left_;
};

// `gpus` of the job's GPUs on the tightest node that holds them and is not in `out` yet, the lowest among equals.
[[nodiscard]] inline bool add_on_tightest(const Demand& d, const Inventory& free, int gpus, Allocation& out) {
  const auto holds = [&](NodeId n) {
    if (out.touches(n) || !free.suits(d, n, gpus)) return false;
    add_gpus(d, free, n, gpus, out);
    return true;
  };
  for (int f = gpus; f <= free.max_gpus_per_node(); ++f)
    if (any_with_exactly(free, f, holds)) return true;
  return false;
}

}  // namespace orrery
