#include "sim/models/network/link_tree.hpp"

namespace orrery {

LinkTree::LinkTree(const Topology& topology) {
  if (topology.node_count() == 0) return;
  const Fabric::Vertex spine = boost::add_vertex({Tier::spine, 0}, graph);
  for (std::size_t r = 0; r < topology.rack_count(); ++r) {
    const NodeId first = topology.rack_first(r), last = topology.rack_last(r);
    const NodeGroup& group = topology.groups()[topology.node(first).group];
    const std::int64_t all_nodes = group.nic_bytes_per_s * static_cast<std::int64_t>(last.value - first.value);
    const Fabric::Vertex rack = boost::add_vertex({Tier::rack, static_cast<std::uint32_t>(r)}, graph);
    boost::add_edge(spine, rack, {group.uplink_bytes_per_s > 0 ? group.uplink_bytes_per_s : all_nodes}, graph);
    for (NodeId n = first; n != last; ++n.value) {
      const Fabric::Vertex node = boost::add_vertex({Tier::node, n.value}, graph);
      node_vertex.push_back(node);
      boost::add_edge(rack, node, {group.nic_bytes_per_s}, graph);
      for (int i = 0; i < topology.node(n).gpus; ++i) {
        const Fabric::Vertex gpu = boost::add_vertex({Tier::gpu, static_cast<std::uint32_t>(i)}, graph);
        boost::add_edge(node, gpu, {group.nvlink_bytes_per_s}, graph);
      }
    }
  }
}

}  // namespace orrery
