// The `performance` section of a scenario.
#pragma once

#include <optional>

#include "scenarios/app/scenario.hpp"
#include "scenarios/app/yaml_walk.hpp"

namespace orrery::app {

// Complains to `w` of what is wrong; nothing when it is no map.
[[nodiscard]] std::optional<PerformanceConfig> read_performance(YamlWalk& w, const Place& at);

}  // namespace orrery::app
