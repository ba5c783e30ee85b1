// What happens to the nodes of the simulated world: they go down and come back, by a list or by chance, and are slow
// for a while. Knows which jobs are on which node; what becomes of them is the executor's.
#pragma once

#include <span>
#include <utility>
#include <vector>

#include "sim/core/inventory.hpp"
#include "sim/core/small_vector.hpp"
#include "sim/core/topology.hpp"
#include "sim/models/lifecycle/failures.hpp"
#include "sim/world/sim_table.hpp"

namespace orrery {

class SimFaults {
 public:
  // `topology` must outlive this.
  SimFaults(const Topology& topology, FailureModel model) : topology_(&topology), model_(std::move(model)) {}

  // Everything that is to come from now on. `known`: the nodes that are away by now, null at the start of a run. In
  // the middle of one, failures by chance are those of a run of the same model that has come this far.
  void plan(SimTable& t, const Inventory* known);
  // The job is on its nodes from now on, as slow as the slowest of them; until it leaves.
  void enter(SimGang& g, const Allocation& gpus);
  void leave(const SimGang& g);
  // One cause of a node's being away begins, or ends. The jobs that were on a node which was up, in order of launch:
  // they fail before tell() says that the capacity is gone, or back.
  [[nodiscard]] std::vector<JobId> change_node(const Due& due);
  void tell(SimTable& t, const Due& due);
  // A slow spell begins or ends. The jobs that go on at another speed: their `slowdown` is set.
  [[nodiscard]] std::span<const JobId> change_speed(SimTable& t, const Due& due);

 private:
  struct NodeSpeed {
    SmallVector<Slowdown, 2> spells;  // that go on
    Slowdown slowdown = kFullSpeed;   // the worst of them
  };
  void plan_chance(SimTable& t, std::uint32_t node, const Inventory* known);
  void plan_slow_spells(SimTable& t);
  void plan_onset(SimTable& t, NodeId node);
  [[nodiscard]] Slowdown slowest_node(const SimGang& g) const;

  const Topology* topology_;
  FailureModel model_;
  bool turned_ = false;                         // by the last change_node(): the node went down, or came back
  std::vector<NodeFailures> by_chance_;         // [node], where they fail so
  std::vector<int> away_;                       // [node], where nodes fail: how many outages hold
  std::vector<std::vector<JobId>> there_;       // [node], where nodes fail or are slow: in order of launch
  std::vector<NodeSpeed> speed_;                // [node], where nodes are slow
  std::vector<NodeSlowSpells> slow_by_chance_;  // [node], where they are so by chance
};

}  // namespace orrery
