// `performance:` of a scenario: the model of how fast its jobs run, compiled from recorded profiles.
#pragma once

#include "scenarios/app/simulate.hpp"

namespace orrery::app {

// Compiles the profiles that the scenario names into p.profiled and works out from them what the trace does not say:
// run times on the requested GPUs, and how many GPUs each job can use. Errors name the job and what its profile
// lacks.
[[nodiscard]] Expected<void> apply_profiles(Prepared& p, Trace& trace);

}  // namespace orrery::app
