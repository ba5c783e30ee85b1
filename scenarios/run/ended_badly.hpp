// What became of the jobs that did not do their work, in words and as an exit code: a run is only good when its jobs
// are.
#pragma once

#include <string>
#include <vector>

#include "scenarios/run/simulate.hpp"
#include "sim/core/why.hpp"

namespace orrery::app {

// Lines for people, two spaces before each: rejected jobs by reason, with the first of them and why exactly, and jobs
// that failed for good or were cancelled. Empty when there is none.
[[nodiscard]] std::string ended_badly(const Prepared& prepared, const RunReport& report);

// Of a run that may have broken off: kRunFailed then, or kFailedPoints where its jobs did not get on.
[[nodiscard]] int exit_code_of(const RunReport& report);
// kFailedPoints when jobs failed for good, or all were rejected; else kOk.
[[nodiscard]] int exit_code_of(const Summary& summary);

// Why no placement can ever hold a job of this demand: what it asks for against what there is.
[[nodiscard]] std::string why_infeasible(const JobSpec& spec, const Topology& topology);

}  // namespace orrery::app
