// Readers of recorded performance profiles: folders of tables as their sources publish them, to the plain data that
// sim/models compiles. One function per family; all wrong rows of a file are reported at once.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "sim/models/profiles.hpp"

namespace orrery {

// Pollux and Sia (petuum/adaptdl, siasosp23/artifacts): one folder per application with placements-HW.csv,
// scalability-HW.csv (seconds per step by placement or numbers, and samples per GPU) and validation-BATCH.csv
// (per epoch: progress, iterations, gradient statistics). `hardware` is the HW of the names: aws, azure, rtx, dgx,
// dgx-ext, quad. Applications without tables for it are left out.
[[nodiscard]] Expected<ProfileSet> read_pollux_profiles(const std::string& folder, const std::string& hardware);

// TitanSched (gaow0007/TitanSched): a folder per GPU type (V100, A100) with MODEL_placements.csv,
// MODEL_scalability.csv and MODEL_context_switch.csv (seconds from launch to the first step).
[[nodiscard]] Expected<ProfileSet> read_titan_profiles(const std::string& folder, const std::string& hardware);

// One table of step times from text: `placement` or `num_nodes,num_replicas`, then local_bsz, step_time, sync_time.
[[nodiscard]] Expected<std::vector<StepPoint>> read_step_points(const std::string& file, std::string_view text);
// One table of epochs from text: progress, iteration, grad_sqr, grad_var.
[[nodiscard]] Expected<std::vector<EpochStats>> read_epoch_stats(const std::string& file, std::string_view text);

}  // namespace orrery
