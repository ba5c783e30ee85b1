// How wide the nodes of a cluster are to one demand: what an idle node can give it of its GPUs, for its type, its
// CPUs and its memory. Nodes need not be equal, so whatever asks "how many nodes would that be" asks here and not the
// widest node. Built per question, from the groups alone; owns two short lists.
#pragma once

#include <algorithm>
#include <functional>
#include <utility>
#include <vector>

#include "sim/core/small_vector.hpp"
#include "sim/core/topology.hpp"

namespace orrery {

// What `gpus` of the job's GPUs take with them of what the whole job needs, rounded up.
[[nodiscard]] inline std::int64_t part_of_job(const Demand& d, std::int64_t whole_job, int gpus) {
  return (whole_job * gpus + d.gpus - 1) / d.gpus;
}

// How wide the nodes of a cluster are to one demand for whole GPUs.
class NodeWidths {
 public:
  NodeWidths(const Demand& d, const Topology& topology) : topology_(&topology) {
    for (const NodeGroup& g : topology.groups()) {
      of_group_.push_back(width_of(d, topology, g));
      if (g.count > 0 && of_group_.back() > 0) all_.push_back(of_group_.back());
    }
    std::sort(all_.begin(), all_.end(), std::greater<>());
    all_.erase(std::unique(all_.begin(), all_.end()), all_.end());
  }

  // Each width once, the widest first; nodes that can give nothing left out.
  [[nodiscard]] const auto& all() const { return all_; }
  [[nodiscard]] int of(NodeId n) const { return of_group_[topology_->node(n).group]; }
  [[nodiscard]] int of_group(std::size_t group) const { return of_group_[group]; }
  // How many idle nodes no wider than `width` hold `gpus` GPUs, the widest of them first; 0 when all do not.
  [[nodiscard]] int nodes_for(int gpus, int width) const {
    int nodes = 0;
    for (const int w : all_) {
      if (w > width) continue;
      std::int64_t there = 0;
      for (std::size_t g = 0; g < of_group_.size(); ++g)
        there += of_group_[g] == w ? topology_->groups()[g].count : 0;
      const std::int64_t taken = std::min<std::int64_t>(there, (gpus + w - 1) / w);
      nodes += static_cast<int>(taken);
      gpus -= static_cast<int>(std::min<std::int64_t>(taken * w, gpus));
      if (gpus == 0) return nodes;
    }
    return 0;
  }

 private:
  static int width_of(const Demand& d, const Topology& topology, const NodeGroup& g) {
    if (d.gpu_types != 0 && (d.gpu_types & topology.type_bit(g.gpu)) == 0) return 0;
    int k = g.gpus_per_node;
    const auto fits = [&d](std::int64_t whole_job, std::int64_t node, int gpus) {
      return node == 0 || part_of_job(d, whole_job, gpus) <= node;
    };
    while (k > 0 && !(fits(d.cpu_milli, g.cpu_milli, k) && fits(d.mem_bytes, g.mem_bytes, k))) --k;
    return k;
  }

  const Topology* topology_;
  SmallVector<int, 8> of_group_, all_;
};

// Nodes as (GPUs of each, how many such), the widest first.
using NodeCounts = std::vector<std::pair<int, int>>;

// Counts `count` nodes more, of `gpus` GPUs each.
inline void add_nodes(NodeCounts& nodes, int gpus, int count) {
  const auto at = std::find_if(nodes.begin(), nodes.end(), [gpus](const auto& n) { return n.first <= gpus; });
  if (gpus <= 0 || count <= 0) return;
  if (at != nodes.end() && at->first == gpus)
    at->second += count;
  else
    nodes.emplace(at, gpus, count);
}

// `gpus` GPUs on as few of the nodes as can be: piece(GPUs) for each node, the most first. What is more than they
// have goes on as if there were more of the widest.
template <class Piece>
void pack_on(const NodeCounts& nodes, int gpus, Piece piece) {
  for (const auto& [width, count] : nodes)
    for (int k = 0; k < count && gpus > 0; ++k, gpus -= width) piece(std::min(gpus, width));
  for (const int width = nodes.empty() ? 1 : nodes.front().first; gpus > 0; gpus -= width)
    piece(std::min(gpus, width));
}

}  // namespace orrery
