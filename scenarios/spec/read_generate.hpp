// The section `workload.generate` of a scenario: which generator makes the workload, and its keys. Errors are left in
// the walker.
#pragma once

#include "scenarios/spec/yaml_walk.hpp"
#include "traces/synth/generators.hpp"

namespace orrery::app {

[[nodiscard]] GenerateSpec read_generate(YamlWalk& w, const Place& at);
// Complains of what a generated workload lacks elsewhere in the scenario, which has been read: the catalogue, and
// what a GPU of the cluster can do. `workload` is that section.
void check_generated(YamlWalk& w, const Place& workload, const Scenario& s);

}  // namespace orrery::app
