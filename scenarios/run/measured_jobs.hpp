// `measure` of a scenario: which of its jobs the metrics are of.
#pragma once

#include <string>
#include <vector>

#include "scenarios/spec/scenario.hpp"
#include "sim/core/job.hpp"

namespace orrery::app {

struct MeasuredJobs {
  std::vector<bool> jobs{};  // [job]; empty = all
  std::string note{};        // how many they are, and which; empty where it is all
};
// Those that are submitted from one point of the workload to the other, both included. Errors: there are none.
[[nodiscard]] Expected<MeasuredJobs> measured_jobs(const MeasureConfig& c, const std::vector<JobSpec>& specs);

}  // namespace orrery::app
