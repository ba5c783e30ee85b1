// The section `cluster` of a scenario: groups of equal nodes.
#pragma once

#include "scenarios/spec/scenario.hpp"
#include "scenarios/spec/yaml_walk.hpp"

namespace orrery::app {

void read_cluster(YamlWalk& w, const Place& at, ClusterConfig& c);

}  // namespace orrery::app
