#include "sim/core/topology.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "sim/core/assert.hpp"

namespace orrery {

Topology::Topology(std::vector<NodeGroup> groups) : groups_(std::move(groups)) {
  rack_first_.push_back(0);
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    const NodeGroup& group = groups_[g];
    ORRERY_ASSERT(group.gpus_per_node >= 0 && group.gpus_per_node <= 64, "{} GPUs per node", group.gpus_per_node);
    const auto known = std::find(types_.begin(), types_.end(), group.gpu);
    const auto type = static_cast<std::uint32_t>(known - types_.begin());
    if (known == types_.end()) types_.push_back(group.gpu);
    ORRERY_ASSERT(types_.size() <= 32, "more than 32 GPU types");
    group_first_.push_back(static_cast<std::uint32_t>(nodes_.size()));
    const int rack_size = group.rack_size > 0 ? group.rack_size : std::max(group.count, 1);
    for (int i = 0; i < group.count; ++i) {
      if (i > 0 && i % rack_size == 0) rack_first_.push_back(static_cast<std::uint32_t>(nodes_.size()));
      nodes_.push_back({static_cast<std::uint32_t>(g), static_cast<std::uint32_t>(rack_first_.size() - 1),
                        group.gpus_per_node, type, group.cpu_milli, group.mem_bytes});
      total_gpus_ += group.gpus_per_node;
    }
    if (group.count > 0) rack_first_.push_back(static_cast<std::uint32_t>(nodes_.size()));
  }
}

GpuTypeMask Topology::type_bit(const std::string& name) const {
  const auto it = std::find(types_.begin(), types_.end(), name);
  return it == types_.end() ? 0 : GpuTypeMask{1} << (it - types_.begin());
}

std::string Topology::node_name(NodeId n) const {
  const std::uint32_t group = node(n).group;
  return fmt::format("{}-n{}", groups_[group].name, n.value - group_first_[group]);
}

const Topology::Graph& Topology::graph() const {
  if (boost::num_vertices(graph_) > 0 || nodes_.empty()) return graph_;
  const Vertex spine = boost::add_vertex({Tier::spine, 0}, graph_);
  Vertex rack = spine;
  for (std::size_t n = 0; n < nodes_.size(); ++n) {
    const NodeInfo& info = nodes_[n];
    const NodeGroup& group = groups_[info.group];
    if (n == rack_first_[info.rack]) {
      rack = boost::add_vertex({Tier::rack, info.rack}, graph_);
      const std::int64_t all_nodes =
          group.nic_bytes_per_s * static_cast<std::int64_t>(rack_first_[info.rack + 1] - rack_first_[info.rack]);
      boost::add_edge(spine, rack, {group.uplink_bytes_per_s > 0 ? group.uplink_bytes_per_s : all_nodes}, graph_);
    }
    const Vertex node = boost::add_vertex({Tier::node, static_cast<std::uint32_t>(n)}, graph_);
    node_vertex_.push_back(node);
    boost::add_edge(rack, node, {group.nic_bytes_per_s}, graph_);
    for (int i = 0; i < info.gpus; ++i) {
      const Vertex gpu = boost::add_vertex({Tier::gpu, static_cast<std::uint32_t>(i)}, graph_);
      boost::add_edge(node, gpu, {group.nvlink_bytes_per_s}, graph_);
    }
  }
  return graph_;
}

Topology::Vertex Topology::node_vertex(NodeId n) const {
  (void)graph();
  return node_vertex_[n.index()];
}

}  // namespace orrery
