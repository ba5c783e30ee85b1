// What `emulate` makes of a scenario and of its jobs, before anything is run: a named bundle of switches that
// reproduces a reference simulator overrides what the scenario says of overheads and placement, and says so.
#pragma once

#include <string>
#include <vector>

#include "scenarios/run/prepared.hpp"

namespace orrery::app {

// The scenario with the overrides of its emulation, or as it is.
[[nodiscard]] Scenario effective_scenario(Scenario s);
// What the user should know of them; `s` is effective.
[[nodiscard]] std::vector<std::string> emulation_notes(const Scenario& s);

// The jobs with the work that the emulated simulator makes of them.
[[nodiscard]] Expected<Workload> emulated_work(const Scenario& s, const Trace& trace, Workload workload);

}  // namespace orrery::app
