// The keys of scenarios as their readers know them: what each means, what it takes, what holds without it.
#pragma once

#include <string>
#include <vector>

namespace orrery::app {

// Items of lists are called N in its path, as 0, 1, ... with --set; names
// that the user chooses NAME.
struct ScenarioKey {
  std::string path;   // "cluster.groups.N.count"
  std::string about;  // what it means
  std::string takes;  // "time of at least 1s"
  std::string value;  // what holds where it is not given; empty = nothing, or it must be given
};
// All of them, section by section.
[[nodiscard]] std::vector<ScenarioKey> scenario_keys();

}  // namespace orrery::app
