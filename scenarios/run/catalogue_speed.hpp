// How fast the elastic jobs of a catalogue are on other numbers of GPUs than they ask for: what the catalogue's cost
// model says of their steps, as a table of throughputs.
#pragma once

#include "scenarios/run/profiled_speed.hpp"

namespace orrery::app {

// Whether a simulated job of the catalogue may be given other numbers of GPUs than it asks for.
[[nodiscard]] bool has_elastic_jobs(const Scenario& s, const Catalogue* catalogue, const Trace& trace);

// A job's speed is its run time on the requested GPUs (which the trace has) over that on those it is given, by
// size_cost(): from the cost model on 1, 2, 4, ... GPUs, linear in between, where a batch is not shared evenly. All
// types of GPUs are as fast as the one that jobs are timed on. Errors: that type has no peak; what the cost model
// makes of a job is no speed.
[[nodiscard]] Expected<ProfiledSpeed> catalogue_speed(const Scenario& s, const Topology& topology,
                                                      const Catalogue& catalogue, const Trace& trace);

}  // namespace orrery::app
