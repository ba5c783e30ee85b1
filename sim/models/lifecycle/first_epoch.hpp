// What a child's first epoch tells of its parent: how many epochs of such a job that starts from its base checkpoint
// it was worth, as measured. The simulated world and paced workers measure it so; a job that trains measures it
// itself (backend/trainer/base_curve.hpp). Pure functions.
#pragma once

#include <cstdint>

#include "sim/core/truth.hpp"
#include "sim/core/units.hpp"

namespace orrery {

// How well progress is measured: the standard error of one measurement, in epochs, a tenth more for every epoch that
// it finds beyond the first. An assumption: with 1,000 held-out samples, an accuracy near 0.7 has a standard error of
// 0.015, its difference to another one's 0.02, which is a tenth of an epoch where accuracy rises by 0.2 an epoch.
struct AssessModel {
  std::uint64_t seed = 1;
  double error = 0.1;
};

// The work of an epoch, wherever the job starts from; 0 where the truth has none.
[[nodiscard]] Work epoch_work(const JobTruth& truth);

// Millionths of an epoch; at least 0, the error above 0.
struct EpochWorth {
  std::int64_t worth = 0;
  std::int64_t error = 0;
};
// Of a job whose work is `base` from its base checkpoint and `left` from the version of `parent` that it started
// from: base / left, and a normal error that is drawn once for each seed, job and parent. So every policy sees the
// same.
[[nodiscard]] EpochWorth measured_worth(const AssessModel& model, JobId job, JobId parent, Work base, Work left);

}  // namespace orrery
