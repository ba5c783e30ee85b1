// What a live run measured, as rows of the profile table: the same file that calibration writes and the simulator
// reads.
#pragma once

#include <vector>

#include "backend/live/live_executor.hpp"
#include "scenarios/run/live_folder.hpp"
#include "scenarios/run/simulate.hpp"
#include "traces/profiles/profile_table.hpp"

namespace orrery::app {

// One row per model, mode, ranks and batch among launches that had their GPUs to themselves, reported steps and kept
// the job's own batch throughout; sorted by these. Times are means over launches, of the wall clock; steps are
// weighted by their number.
[[nodiscard]] std::vector<ProfileRow> measured_profile(const Prepared& prepared,
                                                       const std::vector<live::LiveExecutor::Launch>& launches,
                                                       std::int64_t time_scale, const LiveFolder& folder);

}  // namespace orrery::app
