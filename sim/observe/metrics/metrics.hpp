// Metrics as pure folds over the event stream: per-job rows, change-point samples, and the summary. Folding
// the live stream and folding the stored log give the same result (tested).
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <vector>

#include "sim/control/observer.hpp"
#include "sim/core/event.hpp"
#include "sim/core/time.hpp"
#include "sim/core/units.hpp"
#include "sim/core/why.hpp"

namespace orrery {

// The numbers of a row of jobs.csv. Times are instants of the run, as its clock counts them (run_clock.hpp).
struct JobNumbers {
  JobId job{};
  std::int32_t gpus = 0;
  Time submit{};
  Time first_start = kNever;  // first launch (GPUs held); kNever = never
  Time finish = kNever;
  Duration wait{};    // total time without an allocation, until it ended (or the run did)
  Duration run{};     // total time in state running
  GpuTime service{};  // GPU-time in state running
  GpuTime held{};     // GPU-time holding an allocation, overheads included
  std::uint32_t launches = 0;
  std::uint32_t preemptions = 0;  // stops asked for by the policy
  Duration cpu_per_sample{};      // of one core, loading and preprocessing, as last measured; 0 = not measured
  JobState state = JobState::pending;
  Rejection rejection = Rejection::none;  // why it was rejected, if it was
};

// One row of jobs.csv.
struct JobRow : JobNumbers {
  std::string name{}, tenant{}, model{}, kind{};
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

// The jobs of one kind or one tenant. Keys and definitions as in the table of metrics, over these jobs alone;
// ratios to the whole cluster (goodput) add up over the groups. No value = the run does not say.
struct StudyGroup {
  std::string name;
  std::int64_t jobs = 0;
  std::int64_t finished = 0;
  std::optional<double> mean_jct_s, mean_wait_s, mean_slowdown, ftf_rho_mean, slo_ratio;
  double held_gpu_s = 0;
  double productive_gpu_s = 0;
  std::optional<double> ettr_ratio, work_goodput_ratio, mfu_ratio;
  std::optional<double> cost, energy_kwh;  // energy: of the GPUs while its jobs held them
  std::optional<double> transfer_saved_gpu_s;
};

// What StudyFold finds (study.hpp); each is defined in the table of metrics. No value = the run does not say.
struct StudySummary {
  std::optional<double> mean_slowdown, p99_slowdown, mean_bounded_slowdown;
  std::optional<double> ftf_rho_mean, ftf_rho_worst, ftf_unfair_ratio, ftf_unfair_105_ratio, ftf_jain, tenant_jain;
  std::optional<double> themis_rho_mean, themis_rho_worst, share_jain;
  std::optional<double> slo_ratio, fragmentation_ratio, unallocatable_gpus, throughput_efficiency;
  std::optional<double> work_goodput_ratio, ettr_ratio, mfu_ratio, stretch_ratio;
  // held = overhead + checkpoint + lost + productive
  std::optional<double> held_gpu_s, overhead_gpu_s, checkpoint_gpu_s, lost_gpu_s, productive_gpu_s;
  std::optional<double> restarts, migrations;
  std::optional<double> cost, energy_kwh;
  std::optional<double> cpu_per_sample_s;
  std::optional<double> first_child_s, transfer_saved_gpu_s, transfer_saved_ratio, child_saved_ratio;
  std::optional<double> feature_hits, feature_misses, features_saved_gpu_s;
  std::optional<double> bubble_gpu_s, filled_ratio, bubble_slowdown_ratio;
  std::optional<double> negative_transfer_ratio, lineage_makespan_s, lineage_makespan_max_s;
  std::optional<double> avoidable_delay_s, gpu_h_per_target, independent_jct_s;
  std::vector<StudyGroup> by_kind, by_tenant;  // by name
};

struct Summary {
  std::int64_t jobs = 0;  // submitted
  std::int64_t finished = 0;
  std::int64_t rejected = 0;
  std::int64_t failed = 0;
  std::int64_t cancelled = 0;
  std::int64_t unmeasured = 0;  // submitted outside of the measuring window; in no other number
  double mean_jct_s = 0, p50_jct_s = 0, p90_jct_s = 0, p99_jct_s = 0;  // of finished jobs, linear interpolation
  double mean_wait_s = 0;                                              // of finished jobs
  double mean_initial_wait_s = 0;  // of finished jobs, until their first allocation
  double makespan_s = 0;           // last finish - first submit
  double gpu_util_ratio = 0;       // GPU-time held / (usable GPUs x makespan)
  double gpu_goodput_ratio = 0;    // GPU-time running / (usable GPUs x makespan)
  std::int64_t preemptions = 0;
  std::int64_t launches = 0;
  std::int64_t decisions = 0;
  StudySummary study{};  // empty unless a StudyFold was there
};

// Linear interpolation between order statistics (numpy's default); `sorted` ascending, not empty, q in [0,1].
[[nodiscard]] double quantile(const std::vector<double>& sorted, double q);
// Sorts so far that these quantiles, ascending, are those of the sorted values: a few passes instead of a sort.
void sort_for_quantiles(std::vector<double>& values, std::initializer_list<double> quantiles);

// Jain's index of fairness, (sum x)^2 / (n sum x^2); nothing without a positive value.
[[nodiscard]] std::optional<double> jain(const std::vector<double>& x);

}  // namespace orrery
