// The section `workload.generate` of a scenario: which generator makes the workload, and its keys. Errors are left in
// the walker.
#pragma once

#include "scenarios/app/yaml_walk.hpp"
#include "traces/synth/generators.hpp"

namespace orrery::app {

[[nodiscard]] GenerateSpec read_generate(YamlWalk& w, const Place& at);

}  // namespace orrery::app
