// Free capacity, per GPU and per node, with the indices that make placement cheap: nodes are bucketed by the
// number of wholly free GPUs, so "the first node with at least g", "the tightest that fits" and "the emptiest"
// touch a few words each, at 10 nodes or 10,000. The control plane keeps two: what is physically free, and
// what would be free once every standing target is reached (the one that plans are made on).
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "sim/core/allocation.hpp"
#include "sim/core/id_set.hpp"
#include "sim/core/resources.hpp"
#include "sim/core/topology.hpp"

namespace orrery {

// How several jobs may hold one GPU. Only jobs of one group may over-subscribe it (interleaved, merged);
// fractions never add up to more than one GPU. A filler runs in the bubbles of the job that holds the GPUs
// (RunConfig::host): it takes CPUs and memory, and no GPU of an inventory.
enum class Sharing : std::uint8_t { exclusive, fraction, interleaved, merged, filler };

class Inventory {
 public:
  explicit Inventory(const Topology& topology);

  // True when all of `a` is free (or already shared by `group`, for the two group modes).
  [[nodiscard]] bool can_take(const Allocation& a, Sharing sharing = Sharing::exclusive,
                              GroupId group = kNoGroup) const;
  // Precondition: can_take(). `give` is the exact inverse of `take` with the same arguments.
  void take(const Allocation& a, Sharing sharing = Sharing::exclusive, GroupId group = kNoGroup);
  void give(const Allocation& a, Sharing sharing = Sharing::exclusive, GroupId group = kNoGroup);

  // A node goes out of service or comes back; what jobs hold there is not touched.
  void set_down(NodeId n, bool down);
  [[nodiscard]] bool is_down(NodeId n) const { return nodes_[n.index()].down; }

  [[nodiscard]] const Topology& topology() const { return *topology_; }
  // Wholly free GPUs of all nodes in service.
  [[nodiscard]] std::int64_t free_gpus() const { return free_gpus_; }
  // GPUs of all nodes in service.
  [[nodiscard]] std::int64_t usable_gpus() const { return usable_gpus_; }
  // CPUs and memory of all nodes in service, where they are modelled.
  [[nodiscard]] std::int64_t usable_cpu_milli() const { return usable_cpu_milli_; }
  [[nodiscard]] std::int64_t usable_mem_bytes() const { return usable_mem_bytes_; }
  [[nodiscard]] GpuMask free_mask(NodeId n) const {
    const Node& node = nodes_[n.index()];
    return node.down ? GpuMask() : node.free;
  }
  [[nodiscard]] int free_on(NodeId n) const { return free_mask(n).count(); }
  [[nodiscard]] std::int64_t free_cpu_milli(NodeId n) const { return nodes_[n.index()].cpu_milli; }
  [[nodiscard]] std::int64_t free_mem_bytes(NodeId n) const { return nodes_[n.index()].mem_bytes; }
  // Free share of one GPU, thousandths.
  [[nodiscard]] std::int32_t free_milli(NodeId n, int gpu) const;
  [[nodiscard]] int max_gpus_per_node() const { return static_cast<int>(buckets_.size()) - 1; }

  // The first node >= `from` with at least `g` wholly free GPUs (g >= 1), or an invalid id.
  [[nodiscard]] NodeId first_with(int g, NodeId from = NodeId(0)) const;
  // The lowest-numbered of the nodes with the fewest free GPUs that still fit `g`, or an invalid id.
  [[nodiscard]] NodeId tightest_with(int g) const;
  // The lowest-numbered of the nodes with the most free GPUs (>= 1), or an invalid id.
  [[nodiscard]] NodeId emptiest() const;
  // The first node >= `from` with exactly `free` wholly free GPUs, or an invalid id.
  [[nodiscard]] NodeId first_with_exactly(int free, NodeId from = NodeId(0)) const;
  // GPUs that are partly free, as (node, gpu), in order; for fractional demands.
  [[nodiscard]] std::vector<std::pair<NodeId, int>> partly_free() const;

  // Whether `n` has the GPU type, CPUs and memory that `d` needs for `gpus` of its GPUs (or for the whole
  // job when it needs no GPU).
  [[nodiscard]] bool suits(const Demand& d, NodeId n, int gpus) const;

 private:
  struct Node {
    GpuMask free;  // GPUs that nobody holds any share of
    std::int64_t cpu_milli = 0;
    std::int64_t mem_bytes = 0;
    bool cpu_modelled = false;
    bool mem_modelled = false;
    bool down = false;
  };
  struct Shared {
    std::int32_t used_milli = 0;
    std::int32_t holders = 0;
    GroupId group = kNoGroup;
  };

  void set_free(NodeId n, GpuMask mask);
  // Null while nobody has a part of it.
  [[nodiscard]] const Shared* shared(NodeId n, int gpu) const {
    if (shared_.empty()) return nullptr;
    const Shared& s = shared_[first_gpu_[n.index()] + static_cast<std::size_t>(gpu)];
    return s.holders > 0 ? &s : nullptr;
  }
  [[nodiscard]] Shared& share(NodeId n, int gpu);
  void unshare(NodeId n, Shared& gpu);

  const Topology* topology_;
  std::vector<Node> nodes_;
  std::vector<BitTree> buckets_;  // [wholly free GPUs] -> nodes in service
  // GPUs held by fractions or groups; nothing until one is.
  std::vector<Shared> shared_;          // [GPU], node by node
  std::vector<std::size_t> first_gpu_;  // [node], in shared_
  std::vector<int> shared_on_;          // [node]: GPUs
  BitTree sharing_;                     // nodes that have any
  std::int64_t free_gpus_ = 0;
  std::int64_t usable_gpus_ = 0;
  std::int64_t usable_cpu_milli_ = 0;
  std::int64_t usable_mem_bytes_ = 0;
};

}  // namespace orrery
