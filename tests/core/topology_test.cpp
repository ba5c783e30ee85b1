// The tree of GPU, node, rack and spine, and the bandwidths of its links.
#include <catch2/catch.hpp>

#include <algorithm>
#include <boost/graph/breadth_first_search.hpp>
#include <boost/range/iterator_range.hpp>
#include <map>

#include "sim/core/topology.hpp"
#include "sim/models/network/link_tree.hpp"

using namespace orrery;

namespace {

// Two racks of two nodes of two GPUs, and one node of four GPUs in a rack of its own.
Topology small() {
  return Topology({{.name = "a",
                    .count = 4,
                    .gpus_per_node = 2,
                    .gpu = "h200",
                    .rack_size = 2,
                    .nvlink_bytes_per_s = 900,
                    .nic_bytes_per_s = 50},
                   {.name = "b", .count = 1, .gpus_per_node = 4, .gpu = "a100", .nvlink_bytes_per_s = 600}});
}

}  // namespace

TEST_CASE("groups become nodes in racks", "[core]") {
  const Topology t = small();
  CHECK(t.node_count() == 5);
  CHECK(t.total_gpus() == 12);
  REQUIRE(t.rack_count() == 3);
  CHECK(t.rack_first(1) == NodeId(2));
  CHECK(t.rack_last(1) == NodeId(4));
  CHECK(t.node(NodeId(3)).rack == 1);
  CHECK(t.node(NodeId(4)).rack == 2);
  CHECK(t.node_name(NodeId(3)) == "a-n3");
  CHECK(t.node_name(NodeId(4)) == "b-n0");
  CHECK(t.gpu_types() == std::vector<std::string>{"h200", "a100"});
  CHECK(t.type_bit("a100") == 2);
  CHECK(t.type_bit("v100") == 0);
}

TEST_CASE("the topology is a tree of GPU, node, rack and spine with bandwidths", "[core]") {
  const Topology t = small();
  const LinkTree tree(t);
  const LinkTree::Graph& g = tree.graph;
  std::map<Tier, int> vertices;
  for (std::size_t v = 0; v < boost::num_vertices(g); ++v) vertices[g[v].tier] += 1;
  CHECK(vertices == std::map<Tier, int>{{Tier::gpu, 12}, {Tier::node, 5}, {Tier::rack, 3}, {Tier::spine, 1}});
  CHECK(boost::num_edges(g) == boost::num_vertices(g) - 1);

  // Hops from a GPU of node 0: to its node, over its rack to a neighbour, over the spine to another rack.
  const auto [first, last] = boost::adjacent_vertices(tree.node_vertex[0], g);
  const auto gpu = std::find_if(first, last, [&g](Fabric::Vertex v) { return g[v].tier == Tier::gpu; });
  REQUIRE(gpu != last);
  std::vector<int> hops(boost::num_vertices(g), 0);
  boost::breadth_first_search(
      g, *gpu, boost::visitor(boost::make_bfs_visitor(boost::record_distances(hops.data(), boost::on_tree_edge()))));
  CHECK(hops[tree.node_vertex[0]] == 1);
  CHECK(hops[tree.node_vertex[1]] == 3);
  CHECK(hops[tree.node_vertex[2]] == 5);

  std::map<std::pair<Tier, std::int64_t>, int> links;  // by the lower end and bandwidth
  for (const auto& e : boost::make_iterator_range(boost::edges(g))) {
    const Tier lower = std::min(g[boost::source(e, g)].tier, g[boost::target(e, g)].tier);
    links[{lower, g[e].bandwidth_bytes_per_s}] += 1;
  }
  CHECK(links == std::map<std::pair<Tier, std::int64_t>, int>{{{Tier::gpu, 900}, 8},
                                                              {{Tier::gpu, 600}, 4},
                                                              {{Tier::node, 50}, 4},
                                                              {{Tier::node, 0}, 1},
                                                              {{Tier::rack, 100}, 2},
                                                              {{Tier::rack, 0}, 1}});
}
