// What a scenario says by naming files instead of writing it down: tables of profiles, recordings of capacity,
// catalogues, job files, scripts. A run is of their contents, so the digests of a run, of a comparison and of a live
// run's journal cover them. The trace has a digest of its own.
#pragma once

#include <string>

#include "scenarios/spec/scenario.hpp"
#include "sim/core/error.hpp"

namespace orrery::app {

// Of the files that the scenario's sections name, but for the policy's; empty where there are none. A folder is all
// files in it, by their names in it: moved as a whole it stays the same.
[[nodiscard]] Expected<std::string> inputs_sha256(const Scenario& s);

// Of a run's configuration: what the scenario says with this run's policy, what that policy reads from files, and
// `inputs`, the above.
[[nodiscard]] std::string config_sha256(const Scenario& effective, const std::string& inputs);

}  // namespace orrery::app
