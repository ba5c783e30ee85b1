// `performance:` of a scenario: the model of how fast its jobs run, compiled from recorded profiles.
#pragma once

#include "scenarios/run/simulate.hpp"

namespace orrery::app {

// The table of throughputs that the scenario names, null where it has none. It is needed before the jobs are: the
// generator `gavel` counts their steps by it.
[[nodiscard]] Expected<std::shared_ptr<const ThroughputSet>> obtain_throughputs(const Scenario& s);

// Compiles the profiles that the scenario names into p.profiled and works out from them what the trace does not say:
// run times on the requested GPUs, and how many GPUs each job can use. Errors name the job and what its profile
// lacks. A table of throughputs is p.throughputs.
[[nodiscard]] Expected<void> apply_profiles(Prepared& p, Trace& trace);

}  // namespace orrery::app
