// The section `failures` of a scenario: nodes that break, nodes that are slow for a while, nodes that are worse than
// the others.
//   failures:
//     node_mtbf: 10d
//     repair: 4h
//     outages: [ { node: 3, from: 0s, to: 12h } ]
//     capacity: spot.json            # a recording: nodes or GPUs over time, or lives of GPUs, whose errors take
//                                    # their nodes out for `repair`
//     stragglers:
//       node_mtbs: 30d               # mean time between two slow spells of one node
//       slowdown: [1.05, 1.3]        # uniform between; one number: always that
//       lasts: 2h                    # mean
//       spells: [ { node: 3, from: 1h, to: 5h, slowdown: 1.25 } ]   # known ones
//     lemons: { share: 0.02, rate: 8 }   # one node in fifty breaks and is slow eight times as often
#pragma once

#include "scenarios/spec/scenario.hpp"
#include "scenarios/spec/yaml_walk.hpp"

namespace orrery::app {

// Complains to `w` of what is wrong. `nodes`: of the cluster; 0 = not known, its section is wrong.
void read_failures(YamlWalk& w, const Place& at, std::int64_t nodes, FailureConfig& f);

}  // namespace orrery::app
