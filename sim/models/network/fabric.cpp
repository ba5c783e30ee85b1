#include "sim/models/network/fabric.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/graph/breadth_first_search.hpp>

#include "sim/core/assert.hpp"
#include "sim/models/network/link_tree.hpp"

namespace orrery {
namespace {

// Records, from the spine down, every vertex's parent, depth and the bandwidth of the edge between them.
struct Descend : boost::default_bfs_visitor {
  std::vector<Fabric::Vertex>* parent;
  std::vector<std::uint32_t>* depth;
  std::vector<std::int64_t>* capacities;

  void tree_edge(LinkTree::Graph::edge_descriptor e, const LinkTree::Graph& g) const {
    const auto from = boost::source(e, g), to = boost::target(e, g);
    (*parent)[to] = from;
    (*depth)[to] = (*depth)[from] + 1;
    const std::int64_t bandwidth = g[e].bandwidth_bytes_per_s;
    (*capacities)[Fabric::up(to)] = (*capacities)[Fabric::down(to)] = bandwidth > 0 ? bandwidth : kUnlimited;
  }
};

}  // namespace

Fabric::Fabric(const Topology& topology) : topology_(&topology) {
  LinkTree tree(topology);
  const LinkTree::Graph& g = tree.graph;
  const std::size_t n = boost::num_vertices(g);
  ORRERY_ASSERT(n == 0 || boost::num_edges(g) == n - 1, "a topology of {} vertices and {} edges is no tree", n,
                boost::num_edges(g));
  node_vertex_ = std::move(tree.node_vertex);
  for (Vertex v = 0; v < n; ++v) vertices_.push_back(g[v]);
  parent_.assign(n, 0);
  depth_.assign(n, 0);
  capacities_.assign(2 * n, kUnlimited);
  if (n == 0) return;
  Descend visitor{{}, &parent_, &depth_, &capacities_};
  boost::breadth_first_search(g, Vertex{0}, boost::visitor(visitor));
}

std::string Fabric::name(LinkId link) const {
  const VertexInfo& info = vertices_[link / 2];
  const char* way = link % 2 == 0 ? "up" : "down";
  switch (info.tier) {
    case Tier::node: return fmt::format("{} {}", topology_->node_name(NodeId(info.index)), way);
    case Tier::rack: return fmt::format("rack {} {}", info.index, way);
    case Tier::gpu:
      return fmt::format("{} gpu {} {}", topology_->node_name(NodeId(vertices_[parent_[link / 2]].index)), info.index,
                         way);
    case Tier::spine: break;
  }
  return "spine";
}

void Fabric::add_route(Vertex from, Vertex to, std::vector<LinkId>& links) const {
  while (from != to) {
    if (depth_[from] >= depth_[to]) {
      links.push_back(up(from));
      from = parent_[from];
    } else {
      links.push_back(down(to));
      to = parent_[to];
    }
  }
}

// Each link once, with how often it occurred; links that never fill left out.
LinkUses Fabric::counted(std::vector<LinkId>& links) const {
  std::sort(links.begin(), links.end());
  LinkUses out;
  for (const LinkId l : links) {
    if (capacities_[l] == kUnlimited) continue;
    if (!out.empty() && out.back().link == l)
      ++out.back().weight;
    else
      out.push_back({l, 1});
  }
  return out;
}

LinkUses Fabric::route(Vertex from, Vertex to) const {
  std::vector<LinkId> links;
  add_route(from, to, links);
  return counted(links);
}

LinkUses Fabric::ring(std::span<const NodeId> nodes) const {
  std::vector<LinkId> links;
  if (nodes.size() >= 2)
    for (std::size_t i = 0; i < nodes.size(); ++i)
      add_route(node_vertex_[nodes[i].index()], node_vertex_[nodes[(i + 1) % nodes.size()].index()], links);
  return counted(links);
}

LinkUses Fabric::all_to_all(std::span<const NodeId> nodes) const {
  std::vector<LinkId> links;
  for (const NodeId a : nodes)
    for (const NodeId b : nodes)
      if (a != b) add_route(node_vertex_[a.index()], node_vertex_[b.index()], links);
  return counted(links);
}

}  // namespace orrery
