// The profile table: how long steps, starts, saves, restores and stops of a model take on a kind of GPU, as measured
// on real processes. Live runs and calibration write it, the simulator reads it: the two worlds meet in this file.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "sim/core/error.hpp"
#include "sim/core/time.hpp"

namespace orrery {

// One row. Times are of the wall clock.
struct ProfileRow {
  std::string model;             // as in traces
  std::string mode;              // what is trained: the job's kind, or `full`, `lora`, `probe`
  std::string gpu;               // GPU type, `cpu` for CPU slots
  std::int32_t world = 1;        // ranks, >= 1
  std::int64_t local_batch = 0;  // samples of a rank in a step; 0 = unknown
  std::int32_t corunners = 1;    // jobs at once on the same slots, this one included, >= 1
  Duration step{};               // mean, > 0
  double step_cv = 0;            // standard deviation of steps over their mean, >= 0
  Duration start{};              // from launch to the first step, of a first launch
  Duration save{};               // standing still for a checkpoint
  Duration restore{};            // by which later launches take longer
  Duration stop{};               // from being asked to stop until it is gone
  std::int64_t bytes = 0;        // of a checkpoint; 0 = unknown
};

// CSV with the columns model, mode, gpu, world, local_batch, corunners, step_s, step_cv, start_s, save_s, restore_s,
// stop_s, bytes; rows in the order given. step_cv is rounded to six decimals, times are exact.
[[nodiscard]] std::string profile_text(const std::vector<ProfileRow>& rows);
// Reads it: all columns are required; two rows with the same model, mode, gpu, world, local_batch and corunners are
// an error. `file` is the name in messages.
[[nodiscard]] Expected<std::vector<ProfileRow>> read_profile_text(const std::string& file, std::string_view text);
[[nodiscard]] Expected<std::vector<ProfileRow>> read_profile(const std::string& path);

}  // namespace orrery
