// The links of a topology as SharedLinks numbers them, and which of them traffic uses. Every edge of the tree of
// GPUs, nodes, racks and spine is two links, one a direction; an edge of unknown bandwidth never fills and is left
// out. Built once per run; immutable. Routes are unique in a tree, so nothing is searched at run time.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "sim/core/topology.hpp"
#include "sim/models/network/max_min.hpp"

namespace orrery {

enum class Tier : std::uint8_t { gpu, node, rack, spine };

class Fabric {
 public:
  using Vertex = std::size_t;
  struct VertexInfo {
    Tier tier = Tier::gpu;
    std::uint32_t index = 0;  // GPU within its node, node id, rack id
  };
  // `topology` must outlive the fabric.
  explicit Fabric(const Topology& topology);

  // Bytes per second of every link; what SharedLinks is made with.
  [[nodiscard]] const std::vector<std::int64_t>& capacities() const { return capacities_; }
  // The link from a vertex towards the spine, and back. Precondition: not the spine.
  [[nodiscard]] static LinkId up(Vertex v) { return static_cast<LinkId>(2 * v); }
  [[nodiscard]] static LinkId down(Vertex v) { return static_cast<LinkId>(2 * v + 1); }
  // "h200-n3 up", "rack 0 down".
  [[nodiscard]] std::string name(LinkId link) const;
  [[nodiscard]] std::size_t vertex_count() const { return vertices_.size(); }
  [[nodiscard]] Vertex node_vertex(NodeId n) const { return node_vertex_[n.index()]; }
  [[nodiscard]] const VertexInfo& vertex(Vertex v) const { return vertices_[v]; }

  // Links of a flow between two vertices, weight 1 each.
  [[nodiscard]] LinkUses route(Vertex from, Vertex to) const;
  // Links of a ring over nodes in this order, every node sending to the next at the flow's rate. A link that carries
  // k hops has weight k. Empty for fewer than two nodes.
  [[nodiscard]] LinkUses ring(std::span<const NodeId> nodes) const;
  // Every node sends to every other at the flow's rate (all-to-all; the worst case of expert parallelism).
  [[nodiscard]] LinkUses all_to_all(std::span<const NodeId> nodes) const;

 private:
  void add_route(Vertex from, Vertex to, std::vector<LinkId>& links) const;
  [[nodiscard]] LinkUses counted(std::vector<LinkId>& links) const;

  const Topology* topology_;
  std::vector<VertexInfo> vertices_;
  std::vector<Vertex> node_vertex_;   // [node]
  std::vector<Vertex> parent_;        // [vertex]; the spine's own is itself
  std::vector<std::uint32_t> depth_;  // [vertex]; 0 = spine
  std::vector<std::int64_t> capacities_;
};

}  // namespace orrery
