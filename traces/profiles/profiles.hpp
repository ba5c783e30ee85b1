// Readers of recorded performance profiles: folders of tables as their sources publish them, to the plain data that
// sim/models compiles. One function per family; all wrong rows of a file are reported at once.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "sim/models/speed/profiles.hpp"
#include "sim/models/speed/throughputs.hpp"
#include "traces/profiles/profile_table.hpp"

namespace orrery {

// Pollux and Sia (petuum/adaptdl, siasosp23/artifacts): one folder per application with placements-HW.csv,
// scalability-HW.csv (seconds per step by placement or numbers, and samples per GPU) and validation-BATCH.csv
// (per epoch: progress, iterations, gradient statistics). `hardware` is the HW of the names: aws, azure, rtx, dgx,
// dgx-ext, quad. Applications without tables for it are left out.
[[nodiscard]] Expected<ProfileSet> read_pollux_profiles(const std::string& folder, const std::string& hardware);

// The HW of a folder of such profiles, in order; where one lies that an application has, or lacks.
[[nodiscard]] std::vector<std::string> pollux_hardware(const std::string& folder);
[[nodiscard]] std::string pollux_table(const std::string& folder, const std::string& application,
                                       const std::string& hardware);

// TitanSched (gaow0007/TitanSched): a folder per GPU type (V100, A100) with MODEL_placements.csv,
// MODEL_scalability.csv, MODEL_context_switch.csv (seconds from launch to the first step), MODEL_memory.csv (GiB of a
// GPU by local batch) and MODEL_sharing.csv (two jobs of the model on one GPU: step times and memory of both). Of
// these only the placements must be there.
[[nodiscard]] Expected<ProfileSet> read_titan_profiles(const std::string& folder, const std::string& hardware);

// The same of TitanSched's.
[[nodiscard]] std::vector<std::string> titan_hardware(const std::string& folder);
[[nodiscard]] std::string titan_table(const std::string& folder, const std::string& application,
                                      const std::string& hardware);

// Gavel and Shockwave: a file of steps per second by GPU type (k80, p100, v100), configuration, and pair on the same
// GPUs. Rates of 0 (does not run there, or was not measured) are left out; pairs of speed 0 are kept: they do not
// fit.
[[nodiscard]] Expected<ThroughputSet> read_gavel_throughputs(const std::string& path);
[[nodiscard]] Expected<ThroughputSet> read_gavel_throughputs_text(const std::string& file, std::string_view text);

// Lucid: a folder with single_data.csv and colocate_info.csv; `gpu` is what the type is called on which it was
// measured.
[[nodiscard]] Expected<ThroughputSet> read_lucid_colocation(const std::string& folder, const std::string& gpu);
[[nodiscard]] Expected<std::vector<PairRate>> read_lucid_pairs(const std::string& file, std::string_view text);
[[nodiscard]] Expected<std::vector<AloneRate>> read_lucid_alone(const std::string& file, std::string_view text,
                                                                const std::string& gpu);

// What live runs and `orrery live calibrate` write. The mode is the job's kind; the batch is that of all ranks.
[[nodiscard]] Expected<ThroughputSet> read_calibrated_throughputs(const std::string& path);
[[nodiscard]] ThroughputSet throughputs_of(const std::string& name, const std::vector<ProfileRow>& rows);

// One table of step times from text: `placement` or `num_nodes,num_replicas`, then local_bsz, step_time, sync_time.
[[nodiscard]] Expected<std::vector<StepPoint>> read_step_points(const std::string& file, std::string_view text);
// One table of epochs from text: progress, iteration, grad_sqr, grad_var.
[[nodiscard]] Expected<std::vector<EpochStats>> read_epoch_stats(const std::string& file, std::string_view text);

// Memory from text: local_bsz, gpu_memory (GiB). A batch is there once.
[[nodiscard]] Expected<std::vector<MemoryPoint>> read_memory_points(const std::string& file, std::string_view text);
// Pairs on one GPU from text: left_bsz, left_step_time (s), left_gpu_memory (GiB), and right_. A pair is there once.
[[nodiscard]] Expected<std::vector<SharedStep>> read_shared_steps(const std::string& file, std::string_view text);

}  // namespace orrery
