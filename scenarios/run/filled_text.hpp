// What a live run says of jobs that ran in the bubbles of others.
#pragma once

#include <string>
#include <vector>

#include "backend/live/live_executor.hpp"
#include "sim/core/job.hpp"

namespace orrery::app {

// A line for each host, in order of jobs: how many others ran in its bubbles, for how long and how much of their work
// they did there (seconds of the run; work as on what they ask for), and how much longer its steps took, as it was
// last measured, with the interval of 95 %. Empty where nobody did.
[[nodiscard]] std::string filled_text(const std::vector<JobSpec>& specs,
                                      const std::vector<live::LiveExecutor::Launch>& launches);

}  // namespace orrery::app
