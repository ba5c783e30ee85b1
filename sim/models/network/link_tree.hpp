// The links of a topology as a Boost.Graph: a tree of GPU, node, rack and spine vertices, with the bandwidth of every
// edge. Made where routes are worked out, once per run, and then dropped: only `fabric.cpp` and tests read it, so
// that nothing else pays for the graph library's headers and nothing shared between runs is built on demand.
#pragma once

#include <boost/graph/adjacency_list.hpp>
#include <cstdint>
#include <vector>

#include "sim/models/network/fabric.hpp"

namespace orrery {

struct LinkTree {
  struct EdgeInfo {
    std::int64_t bandwidth_bytes_per_s = 0;  // 0 = unknown
  };
  using Graph = boost::adjacency_list<boost::vecS, boost::vecS, boost::undirectedS, Fabric::VertexInfo, EdgeInfo>;

  explicit LinkTree(const Topology& topology);

  Graph graph;                              // vertex 0 is the spine; empty for a cluster without nodes
  std::vector<Fabric::Vertex> node_vertex;  // [node]
};

}  // namespace orrery
