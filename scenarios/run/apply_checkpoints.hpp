// `by: checkpoint` of `overheads.restart` and `checkpoints.cost`: what each job's own checkpoint takes.
#pragma once

#include "scenarios/run/simulate.hpp"

namespace orrery::app {

// Fills in p.scenario.overheads.restart_jobs and p.scenario.checkpoints.costs, [job]. A restart loads 2 bytes a
// parameter and 12 a trained one, of evaluations 2 a parameter; a save writes what is trained, 14 bytes each
// (checkpoint_bytes). Every node that the requested GPUs fill moves an even part. A size that the scenario gives for
// a model, as bytes, is that of both. Errors name the jobs whose model is in neither the catalogue nor the scenario.
[[nodiscard]] Expected<void> apply_checkpoints(Prepared& p);

}  // namespace orrery::app
