#include "policies/placement/whole_gpus.hpp"

#include "policies/placement/placement_parts.hpp"

namespace orrery {
namespace {

bool place_cpu_only(const Demand& d, const Inventory& free, Allocation& out) {
  for (std::uint32_t i = 0; i < free.topology().node_count(); ++i) {
    const NodeId n(i);
    if (!free.suits(d, n, 0)) continue;
    out.add({n, kMilliPerGpu, 0, d.cpu_milli, d.mem_bytes});
    return true;
  }
  return false;
}

bool place_fraction(const Demand& d, const Inventory& free, Allocation& out) {
  NodeId best_node;
  int best_gpu = 0;
  std::int32_t best_left = kMilliPerGpu;
  for (const auto& [node, gpu] : free.partly_free()) {
    const std::int32_t left = free.free_milli(node, gpu) - d.milli_per_gpu;
    if (left < 0 || left >= best_left || !free.suits(d, node, 1)) continue;
    best_node = node;
    best_gpu = gpu;
    best_left = left;
  }
  if (best_node.valid()) {
    out.add({best_node, d.milli_per_gpu, GpuMask::one(best_gpu), d.cpu_milli, d.mem_bytes});
    return true;
  }
  for (NodeId n = free.first_with(1); n.valid(); n = free.first_with(1, NodeId(n.value + 1))) {
    if (!free.suits(d, n, 1)) continue;
    add_gpus(d, free, n, 1, out);
    return true;
  }
  return false;
}

}  // namespace

bool WholeGpus::place(const Demand& d, const Inventory& free, Allocation& out) {
  if (d.gpus == 0) return place_cpu_only(d, free, out);
  if (d.milli_per_gpu < kMilliPerGpu) return place_fraction(d, free, out);
  if (free.free_gpus() < d.gpus) return false;
  if (place_whole(d, free, out)) return true;
  out.clear();
  return false;
}

}  // namespace orrery
