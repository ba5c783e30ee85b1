// The section `network` of a scenario: what jobs send every step, and whether they share links.
//   network:
//     step: { compute: 300ms, gradients: 700MB, hidden: 0.3 }   # of every job, unless its model has a row
//     models: { bert: { gradients: 440MB } }                    # what is not said is as in `step`
//     contention: true
#pragma once

#include <optional>

#include "scenarios/spec/scenario.hpp"
#include "scenarios/spec/yaml_walk.hpp"

namespace orrery::app {

// Nothing when it is no map; what is wrong with it is complained of.
[[nodiscard]] std::optional<NetworkConfig> read_network(YamlWalk& w, const Place& at);

}  // namespace orrery::app
