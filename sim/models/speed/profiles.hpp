// What was measured of an application on one type of GPU, as plain data: step times and, where the source has them,
// gradient statistics per epoch for several batch sizes, GPU memory by local batch, and two jobs on one GPU. Filled
// by the readers in traces/profiles, compiled by ProfiledModel.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sim/models/speed/gpu_share.hpp"
#include "sim/models/speed/step_times.hpp"

namespace orrery {

// One epoch of training with one batch size. `progress` and `iterations` count from the start to its end.
struct EpochStats {
  double progress = 0;  // iterations at the initial batch size that would have gone as far
  double iterations = 0;
  double grad_sqr = 0;  // squared norm of the true gradient
  double grad_var = 0;  // trace of its covariance
};

struct BatchStats {
  std::int64_t batch = 0;  // global batch, samples
  std::vector<EpochStats> epochs;
};

// How the source of a profile split a global batch over GPUs and accumulation steps, and named placements: its
// measurements hold for that (docs/formulas.md).
struct SplitStyle {
  bool two_passes_early = true;  // one GPU alone makes two passes from the initial batch on, else where it must
  bool rounds_up = true;         // local batches, as far as the largest batch allows; else down, to the smallest one
  bool nodes_by_number = false;  // a placement names nodes as they are numbered; else those with most GPUs first
};

struct ApplicationProfile {
  std::string name;
  std::string hardware;
  std::vector<StepPoint> exact, scaling;
  std::vector<BatchStats> batches;  // by batch size; empty: progress is samples, and jobs say how many they need
  SplitStyle split{};
  std::int64_t initial_batch = 0;                         // M0; 0 = the smallest of `batches`
  std::int64_t max_batch = 0;                             // 0 = the largest of `batches`, or no limit
  std::int64_t min_local_batch = 0, max_local_batch = 0;  // 0 = the smallest and largest measured
  std::int32_t most_gpus = 0;                             // 0 = as many as the batch allows
  std::int32_t gpu_limit = 0;         // no more than these even if the batch allows more; 0 = no limit
  double start_s = 0;                 // measured from launch to first step; 0 = not measured
  std::vector<MemoryPoint> memory{};  // of a GPU by local batch; empty = not measured
  std::vector<SharedStep> shared{};   // two jobs of this application on one GPU; likewise
  double gpu_gib = 0;                 // of the GPUs it runs on: larger local batches become passes; 0 = no limit
};

using ProfileSet = std::vector<ApplicationProfile>;

}  // namespace orrery
