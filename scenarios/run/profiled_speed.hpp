// `performance:` of a scenario: the model of how fast its jobs run, compiled from recorded profiles.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "scenarios/spec/scenario.hpp"
#include "sim/core/topology.hpp"
#include "sim/models/speed/performance.hpp"
#include "sim/models/speed/throughputs.hpp"
#include "traces/format/canonical.hpp"

namespace orrery::app {

// The table of throughputs that the scenario names, null where it has none. It is needed before the jobs are: the
// generator `gavel` counts their steps by it.
[[nodiscard]] Expected<std::shared_ptr<const ThroughputSet>> obtain_throughputs(const Scenario& s);

struct ProfiledSpeed {
  std::shared_ptr<const PerformanceModel> model{};  // null: the scenario names no profiles
  std::vector<std::string> notes{};
};
// Compiles the profiles that the scenario names and writes into the trace what it does not say itself: run times on
// the requested GPUs, and how many GPUs each job can use. Errors name the job and what its profile lacks. A table of
// throughputs is `table`.
[[nodiscard]] Expected<ProfiledSpeed> profiled_speed(const Scenario& s, const Topology& topology,
                                                     const ThroughputSet* table, Trace& trace);

}  // namespace orrery::app
