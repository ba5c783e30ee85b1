// The `performance` section of a scenario.
#pragma once

#include <optional>

#include "scenarios/spec/scenario.hpp"
#include "scenarios/spec/yaml_walk.hpp"

namespace orrery::app {

// Complains to `w` of what is wrong; nothing when it is no map. `groups`: of the cluster, whose types `hardware`
// names.
[[nodiscard]] std::optional<PerformanceConfig> read_performance(YamlWalk& w, const Place& at,
                                                                const std::vector<NodeGroup>& groups);

}  // namespace orrery::app
