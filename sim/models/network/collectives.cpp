#include "sim/models/network/collectives.hpp"

#include <algorithm>
#include <bit>

#include "sim/core/assert.hpp"

namespace orrery {
namespace {

// ceil(log2 n)
int levels(int ranks) {
  return std::bit_width(static_cast<unsigned>(ranks - 1));
}

double wire(double bytes, HopCost hop) {
  return hop.bytes_per_s > 0 ? bytes / hop.bytes_per_s : 0;
}

// hops * alpha + share * S / B, for more than one rank.
double cost(int ranks, double hops, double share, double bytes, HopCost hop) {
  ORRERY_ASSERT(ranks >= 1 && bytes >= 0, "{} ranks, {} bytes", ranks, bytes);
  return ranks == 1 ? 0 : hops * hop.latency_s + wire(share * bytes, hop);
}

// (n - 1) / n
double others(int ranks) {
  return static_cast<double>(ranks - 1) / ranks;
}

}  // namespace

double ring_all_reduce_s(int ranks, double bytes, HopCost hop) {
  return cost(ranks, 2.0 * (ranks - 1), 2 * others(ranks), bytes, hop);
}
double tree_all_reduce_s(int ranks, double bytes, HopCost hop) {
  return cost(ranks, 2.0 * levels(ranks), 2, bytes, hop);
}
double ring_reduce_scatter_s(int ranks, double bytes, HopCost hop) {
  return cost(ranks, ranks - 1, others(ranks), bytes, hop);
}
double ring_all_gather_s(int ranks, double bytes, HopCost hop) {
  return ring_reduce_scatter_s(ranks, bytes, hop);
}
double all_to_all_s(int ranks, double bytes, HopCost hop) {
  return ring_reduce_scatter_s(ranks, bytes, hop);
}
double recursive_all_gather_s(int ranks, double bytes, HopCost hop) {
  return cost(ranks, levels(ranks), others(ranks), bytes, hop);
}
double ring_broadcast_s(int ranks, double bytes, HopCost hop) {
  return cost(ranks, ranks - 1, 1, bytes, hop);
}
double tree_broadcast_s(int ranks, double bytes, HopCost hop) {
  return cost(ranks, levels(ranks), 1, bytes, hop);
}

double hierarchical_all_reduce_s(int gpus_per_node, int nodes, double bytes, HopCost inside, HopCost between) {
  return ring_reduce_scatter_s(gpus_per_node, bytes, inside) +
         ring_all_reduce_s(nodes, bytes / gpus_per_node, between) + ring_all_gather_s(gpus_per_node, bytes, inside);
}

double all_reduce_bus_factor(int ranks) {
  return 2 * others(ranks);
}

double all_reduce_at_bus_s(int ranks, double bytes, double bus_bytes_per_s) {
  return ring_all_reduce_s(ranks, bytes, {0, bus_bytes_per_s});
}

NcclChoice nccl_all_reduce(int gpus_per_node, int nodes, double bytes, const NcclNode& node) {
  constexpr double kBaseTree[] = {6.8, 14.0, 8.4}, kBaseRing[] = {6.6, 14.0, 8.4};
  constexpr double kNvlinkTree[] = {0.6, 1.25, 4.0}, kNvlinkRing[] = {0.6, 1.9, 3.4};
  constexpr double kPcieTree[] = {1.0, 1.9, 4.0}, kPcieRing[] = {1.0, 2.5, 5.7};
  constexpr double kNetTree[] = {5.0, 8.5, 14.0}, kNetRing[] = {2.7, 4.0, 14.0};
  constexpr double kEfficiency[] = {0.5, 0.92, 1.0};  // LL sends as many flags as data, LL128 one in sixteen
  constexpr double kTreeEfficiency = 0.92;
  constexpr int kSimple = 2;
  const int n = gpus_per_node * nodes;
  if (n == 1) return {};
  const double bus =
      nodes > 1 ? std::min(node.bus_gb_per_s, node.network_gb_per_s * gpus_per_node) : node.bus_gb_per_s;
  ORRERY_ASSERT(bus > 0, "no bandwidth between {} GPUs", n);
  NcclChoice best{-1, false, 0};
  for (int p = 0; p < 3; ++p) {
    const double inside_ring = node.nvlink ? kNvlinkRing[p] : kPcieRing[p];
    const double inside_tree = node.nvlink ? kNvlinkTree[p] : kPcieTree[p];
    const int steps = 2 * (n - 1), between = nodes > 1 ? 2 * (nodes - 1) : 0;
    const bool plateau = p == kSimple && nodes > 1 && bytes >= 64.0 * node.channels * n;
    const double ring_latency =
        (kBaseRing[p] + (steps - between) * inside_ring + between * kNetRing[p]) * (plateau ? node.plateau : 1);
    const double ring_gb = bus * kEfficiency[p] * n / steps;
    const double tree_latency = kBaseTree[p] + 2 * ((gpus_per_node - 1) * inside_tree + levels(nodes) * kNetTree[p]);
    const double tree_gb = bus * kEfficiency[p] * kTreeEfficiency * 0.5;
    const double ring = ring_latency + bytes / (1000 * ring_gb), tree = tree_latency + bytes / (1000 * tree_gb);
    if (best.time_us < 0 || ring < best.time_us) best = {ring, false, p};
    if (nodes > 1 && tree < best.time_us) best = {tree, true, p};
  }
  return best;
}

double data_parallel_bytes(Sharding sharding, int ranks, double parameters, double bytes_each, int accumulation,
                           double trainable_fraction) {
  const double all = parameters * bytes_each * others(ranks);
  if (sharding != Sharding::zero3) return 2 * all * trainable_fraction;
  return (2.0 * (accumulation + 1) + trainable_fraction) * all;
}

double tensor_parallel_bytes(double batch, double sequence, double width, double bytes_each) {
  return 4 * batch * sequence * width * bytes_each;
}

}  // namespace orrery
