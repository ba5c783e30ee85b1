// What each job shares with others on its frozen backbone (JobSpec::merging).
#pragma once

#include "scenarios/spec/catalogue_file.hpp"
#include "scenarios/spec/scenario.hpp"
#include "sim/core/truth.hpp"

namespace orrery::app {

// Of jobs with a parent that leave its backbone as it is: those that the catalogue trains by LoRA or as probes on
// features that are not kept; without a catalogue, transfers and searches. The share of a step is the scenario's
// gamma, else the catalogue's: of its cost model's step (training_cost), the calls of operators. Memory is the
// catalogue's (step_memory). `catalogue`: null where there is none. Paced live jobs share nothing.
void set_merging(const Scenario& s, const Catalogue* catalogue, Workload& workload);

}  // namespace orrery::app
