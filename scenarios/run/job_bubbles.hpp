// What each job lets others fill, and needs to fill (JobSpec::bubbles, JobSpec::fills).
#pragma once

#include <optional>
#include <string>

#include "scenarios/spec/scenario.hpp"
#include "sim/core/truth.hpp"

namespace orrery::app {

// Of a scenario with `bubbles`: pretraining jobs with at least a GPU a stage advertise windows; transfer jobs,
// searches and evaluations could fill them. Does nothing without.
void set_bubbles(const Scenario& s, Workload& workload);
// Why no job can ever fill bubbles, where that is so.
[[nodiscard]] std::optional<std::string> nothing_fills(const Workload& workload);

}  // namespace orrery::app
