// What collective operations take, in seconds, by the alpha-beta model: a latency per hop and bytes over a bandwidth
// (Thakur, Rabenseifner and Gropp, IJHPCA 2005; Patarasuk and Yuan, JPDC 2009 for the ring's optimality). Also how
// many bytes each kind of sharded data parallelism moves (Rajbhandari et al., ZeRO, SC 2020). Pure functions;
// compiled into integer rates before a run, never called in the event path.
#pragma once

#include <cstdint>

namespace orrery {

struct HopCost {
  double latency_s = 0;    // alpha, of one hop
  double bytes_per_s = 0;  // B, of one rank's link, one direction; 0 = sends for nothing
};

// All of these: 0 for one rank; `bytes` is S, the size of the whole buffer on a rank.
// 2 (n - 1) alpha + 2 (n - 1) / n * S / B
[[nodiscard]] double ring_all_reduce_s(int ranks, double bytes, HopCost hop);
// Pipelined double tree: 2 ceil(log2 n) alpha + 2 S / B
[[nodiscard]] double tree_all_reduce_s(int ranks, double bytes, HopCost hop);
// (n - 1) alpha + (n - 1) / n * S / B; S of what is scattered, or of what all have gathered in the end.
[[nodiscard]] double ring_reduce_scatter_s(int ranks, double bytes, HopCost hop);
[[nodiscard]] double ring_all_gather_s(int ranks, double bytes, HopCost hop);
[[nodiscard]] double all_to_all_s(int ranks, double bytes, HopCost hop);
// Recursive halving or doubling: ceil(log2 n) alpha + (n - 1) / n * S / B
[[nodiscard]] double recursive_all_gather_s(int ranks, double bytes, HopCost hop);
// Pipelined ring: (n - 1) alpha + S / B; tree: ceil(log2 n) alpha + S / B
[[nodiscard]] double ring_broadcast_s(int ranks, double bytes, HopCost hop);
[[nodiscard]] double tree_broadcast_s(int ranks, double bytes, HopCost hop);

// Reduce-scatter inside each node, all-reduce of every share between the nodes, all-gather inside.
// `between` is what one GPU has of the node's network, so its all-reduce is of S / g.
[[nodiscard]] double hierarchical_all_reduce_s(int gpus_per_node, int nodes, double bytes, HopCost inside,
                                               HopCost between);

// Time of an operation whose measured bus bandwidth is known: S / (bus / factor), without latency.
[[nodiscard]] double all_reduce_bus_factor(int ranks);  // 2 (n - 1) / n
[[nodiscard]] double all_reduce_at_bus_s(int ranks, double bytes, double bus_bytes_per_s);

// NCCL's cost model for all-reduce (its tuner, src/graph/tuning.cc; constants of its public sources, microseconds
// and GB/s): the best of ring and tree over its three protocols. Between nodes, a ring that sends plainly (Simple)
// and at least 64 bytes per rank and channel has its latency times `plateau`. Left out: the tuner's corrections of
// trees by size, and NVLS and CollNet, which need switches that add up.
struct NcclNode {
  double bus_gb_per_s = 0;      // of one node's links between GPUs: links x GB/s each
  double network_gb_per_s = 0;  // of one GPU's share of the network, both between nodes only
  bool nvlink = true;           // false: PCIe
  int channels = 16;            // rings side by side
  double plateau = 1.4;         // 1.9 before Ampere
};
struct NcclChoice {
  double time_us = 0;
  bool tree = false;
  int protocol = 0;  // 0 LL, 1 LL128, 2 Simple
};
[[nodiscard]] NcclChoice nccl_all_reduce(int gpus_per_node, int nodes, double bytes, const NcclNode& node);

// Bytes that each rank sends per optimiser step for P parameters of e bytes: DP and ZeRO-1/2 2 P e (n - 1) / n;
// ZeRO-3 gathers parameters in every forward and backward pass (accumulation s: s + 1 of each), then scatters
// gradients once.
enum class Sharding : std::uint8_t { none, zero1, zero2, zero3 };
[[nodiscard]] double data_parallel_bytes(Sharding sharding, int ranks, double parameters, double bytes_each,
                                         int accumulation = 0, double trainable_fraction = 1);
// Tensor parallelism (Megatron-LM): all-reduced bytes per layer and micro-batch, 2 forward and 2 backward of b s h e.
[[nodiscard]] double tensor_parallel_bytes(double batch, double sequence, double width, double bytes_each);

}  // namespace orrery
