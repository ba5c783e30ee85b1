// `by: checkpoint` of `overheads.restart` and `checkpoints.cost`: what each job's own checkpoint takes.
#pragma once

#include "scenarios/run/prepared.hpp"

namespace orrery::app {

// What the scenario asks for; empty where it asks for none. A restart loads 2 bytes a parameter and 12 a trained one,
// of evaluations 2 a parameter; a save writes what is trained, 14 bytes each (checkpoint_bytes). Every node that the
// requested GPUs fill moves an even part. A size that the scenario gives for a model, as bytes, is that of both.
// Errors name the jobs whose model is in neither the catalogue (null: there is none) nor the scenario.
[[nodiscard]] Expected<CheckpointCosts> checkpoint_costs(const Scenario& s, const Topology& topology,
                                                         const CatalogueFile* catalogue, const Workload& workload);

}  // namespace orrery::app
