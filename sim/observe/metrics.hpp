// Metrics as pure folds over the event stream: per-job rows, change-point samples, and the summary. Folding
// the live stream and folding the stored log give the same result (tested).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sim/control/observer.hpp"
#include "sim/core/event.hpp"
#include "sim/core/time.hpp"
#include "sim/core/units.hpp"

namespace orrery {

// One row of jobs.csv. Times are instants of the run.
struct JobRow {
  JobId job{};
  std::string name, tenant, model, kind;
  std::int32_t gpus = 0;
  Time submit{};
  Time first_start = kNever;  // first launch (GPUs held); kNever = never
  Time finish = kNever;
  Duration wait{};            // total time without an allocation, until it ended (or the run did)
  Duration run{};             // total time in state running
  GpuTime service{};          // GPU-time in state running
  GpuTime held{};             // GPU-time holding an allocation, overheads included
  std::uint32_t launches = 0;
  std::uint32_t preemptions = 0;  // stops asked for by the policy
  JobState state = JobState::pending;
};

// A step function of the cluster: the values from `at` on.
struct Sample {
  Time at{};
  std::int64_t gpus_held_milli = 0;
  std::int64_t gpus_running_milli = 0;
  std::int64_t gpus_down = 0;
  std::int64_t queue_jobs = 0;  // submitted, ready, holding nothing
  std::int64_t queue_gpus = 0;
  friend bool operator==(const Sample&, const Sample&) = default;
};

struct Summary {
  std::int64_t jobs = 0;       // submitted
  std::int64_t finished = 0;
  std::int64_t rejected = 0;
  std::int64_t failed = 0;
  std::int64_t cancelled = 0;
  double mean_jct_s = 0, p50_jct_s = 0, p90_jct_s = 0, p99_jct_s = 0;  // of finished jobs, linear interpolation
  double mean_wait_s = 0;       // of finished jobs
  double makespan_s = 0;        // last finish - first submit
  double gpu_util_ratio = 0;    // GPU-time held / (usable GPUs x makespan)
  double gpu_goodput_ratio = 0; // GPU-time running / (usable GPUs x makespan)
  std::int64_t preemptions = 0;
  std::int64_t launches = 0;
  std::int64_t decisions = 0;
};

// Linear interpolation between order statistics (numpy's default); `sorted` ascending, not empty, q in [0,1].
[[nodiscard]] double quantile(const std::vector<double>& sorted, double q);

}  // namespace orrery
