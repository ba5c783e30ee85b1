// When nodes break and how long they are away, and how often jobs save their work. Node failures are a renewal
// process per node: exponential time between a repair and the next failure, exponential repair, each node with its
// own random stream ("faults/node/17"), so that policies face the same failures (common random numbers).
#pragma once

#include <vector>

#include "sim/core/ids.hpp"
#include "sim/core/random.hpp"
#include "sim/core/time.hpp"

namespace orrery {

// A failure that is known: the node is away in [from, to).
struct Outage {
  NodeId node{};
  Time from{};
  Time to{};
};

struct FailureModel {
  Duration node_mtbf{};  // mean time from coming up to failing; 0 = nodes never fail
  Duration repair{};     // mean time from failing to coming up, at least 1 ns each
  std::uint64_t seed = 1;
  std::vector<Outage> outages{};  // besides the random ones
  [[nodiscard]] bool active() const { return node_mtbf.ns > 0 || !outages.empty(); }
};

struct CheckpointModel {
  Duration every{};  // running time between checkpoints; 0 = a job saves only when it is asked to stop
  Duration cost{};   // how long it stands still for one
};

// The failures of one node, alternating: time up, time down, time up, ...
class NodeFailures {
 public:
  NodeFailures(const FailureModel& model, std::uint32_t node);
  // How long the node stays in its present condition; the first call says how long it is up.
  [[nodiscard]] Duration next();

 private:
  RandomStream rng_;
  Duration mean_[2];
  bool down_ = false;
};

}  // namespace orrery
