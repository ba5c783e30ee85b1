// Max-min shares of jobs' rings on a fabric: what a job's end and another's start cost, solved again only where they
// reach, against solving everything. Racks of 16 nodes; every job has a ring over 4 nodes, most inside one rack.
#include <benchmark/benchmark.h>

#include <algorithm>

#include "sim/core/random.hpp"
#include "sim/models/network/fabric.hpp"

namespace {

using namespace orrery;

struct World {
  Topology topology;
  Fabric fabric{topology};
  SharedLinks links{fabric.capacities()};
  RandomStream rng = stream(1, "bench/max-min");
  std::vector<FlowId> flows;

  explicit World(int nodes) : topology(groups(nodes)) {
    for (int i = 0; i < nodes; ++i) flows.push_back(links.add(ring()));  // every node in four rings
    (void)links.update();
  }
  static std::vector<NodeGroup> groups(int nodes) {
    NodeGroup g;
    g.name = "n";
    g.count = nodes;
    g.rack_size = 16;
    g.nic_bytes_per_s = 50'000'000'000;
    g.uplink_bytes_per_s = 400'000'000'000;
    return {g};
  }
  LinkUses ring() {
    const auto n = static_cast<std::uint32_t>(topology.node_count());
    const bool across = uniform_below(rng, 50) == 0;
    const auto rack = static_cast<std::uint32_t>(uniform_below(rng, n / 16));
    std::vector<NodeId> nodes;
    while (nodes.size() < 4) {
      const auto k = static_cast<std::uint32_t>(uniform_below(rng, across ? n : 16));
      const NodeId node(across ? k : rack * 16 + k);
      if (std::find(nodes.begin(), nodes.end(), node) == nodes.end()) nodes.push_back(node);
    }
    return fabric.ring(nodes);
  }
};

void replace(benchmark::State& state, bool everything) {
  World w(static_cast<int>(state.range(0)));
  std::size_t solved = 0, rounds = 0;
  for (auto _ : state) {
    FlowId& flow = w.flows[uniform_below(w.rng, w.flows.size())];
    w.links.remove(flow);
    flow = w.links.add(w.ring());
    if (everything)
      w.links.solve_all();
    else
      (void)w.links.update();
    solved += w.links.last_solved();
    ++rounds;
  }
  state.counters["flows_solved"] = static_cast<double>(solved) / static_cast<double>(rounds);
}

void max_min_incremental(benchmark::State& state) {
  replace(state, false);
}
void max_min_everything(benchmark::State& state) {
  replace(state, true);
}

BENCHMARK(max_min_incremental)->Arg(128)->Arg(1024)->Arg(12'800)->Unit(benchmark::kMicrosecond);
BENCHMARK(max_min_everything)->Arg(128)->Arg(1024)->Arg(12'800)->Unit(benchmark::kMicrosecond);

}  // namespace
