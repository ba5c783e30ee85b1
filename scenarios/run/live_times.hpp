// Times for the simulations that a live run is held against: those it really took, and those a profile table
// promised.
#pragma once

#include <vector>

#include "backend/live/live_executor.hpp"
#include "scenarios/run/simulate.hpp"
#include "traces/profiles/profile_table.hpp"

namespace orrery::app {

// The times of a run for a simulation with measured times: rates by job, starts and stops by launch. Launches that
// the run did not have, or that failed, cost the mean of the others.
[[nodiscard]] MeasuredTimes measured_times(const Prepared& prepared,
                                           const std::vector<live::LiveExecutor::Launch>& launches);

// The times that a profile table promises, in the same form: of its rows for a job's model, kind and ranks a step
// takes what was measured with as many at once as there are ranks on its core (or GPU); between rows linear in their
// number, above them in proportion. Starts and stops are those of the row for the crowd when every slot is taken.
// Jobs that really train only; fails on a job without a row.
[[nodiscard]] Expected<MeasuredTimes> promised_times(const Prepared& prepared, const std::vector<ProfileRow>& rows);

}  // namespace orrery::app
