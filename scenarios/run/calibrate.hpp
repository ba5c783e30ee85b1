// Measuring the jobs of a scenario that really train: how long their steps, starts, saves, restores and stops take on
// this machine, alone and with others on the same slots. The rows are those of the profile table that the simulator
// reads.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "scenarios/run/prepared.hpp"
#include "scenarios/spec/job_file.hpp"
#include "traces/profiles/profile_table.hpp"

namespace orrery::app {

// What is measured: a model in one kind of job, on so many ranks.
struct CalibrationSubject {
  std::string model, mode, from;  // from: the model whose checkpoint it starts from
  JobFile job;
  int world = 1;
};

struct CalibrationRequest {
  std::string folder;   // absolute, for checkpoints and logs; what earlier calibrations left of a subject goes
  std::string trainer;  // the worker program
  std::int64_t steps = 60;
  std::vector<int> corunners{1};  // how many at once on the same slots, in this order
  std::function<void(const CalibrationSubject&, int corunners)> begins{};  // before each measurement; may be empty
};

// The distinct (model, kind, ranks) among the scenario's jobs that really train; parents come first. An error where
// there is none.
[[nodiscard]] Expected<std::vector<CalibrationSubject>> calibration_subjects(const Prepared& prepared);

// A row per subject and number of corunners; an error is that of the first measurement that failed.
[[nodiscard]] Expected<std::vector<ProfileRow>> calibrate(const Prepared& prepared,
                                                          const std::vector<CalibrationSubject>& subjects,
                                                          const CalibrationRequest& request);

}  // namespace orrery::app
