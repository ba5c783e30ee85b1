// What may be known about a job (JobSpec), and the states it passes through. What only executors know is in
// truth.hpp, which policies must not include.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sim/core/ids.hpp"
#include "sim/core/resources.hpp"
#include "sim/core/time.hpp"
#include "sim/core/units.hpp"

namespace orrery {

enum class JobKind : std::uint8_t { unknown, pretrain, transfer, eval, hpo };

// An edge of the lineage graph: this job needs (hard) or likes (soft) what `parent` publishes.
struct Dependency {
  JobId parent;
  bool hard = true;
  std::int32_t progress_per_mille = 1000;  // hard: the parent's progress that makes the child ready
};

// What a job has published: a checkpoint that others may start from. Finishing publishes the last one.
struct Version {
  std::uint32_t number = 0;             // 1, 2, ... of its job
  std::int32_t progress_per_mille = 0;  // of the job's work that is in it
  Time at{};
};

// What a probe needs before its first step: what a frozen backbone makes of each of its samples. All jobs of a run
// share a store of them (scenario key `features`).
struct FeaturePass {
  // Jobs of one number that start from one version of one parent need the same features; 0 = it needs none, or such
  // as are not worth keeping.
  std::uint32_t set = 0;
  Duration time{};         // part of the job's run time on the requested allocation, unless it finds them
  Duration read{};         // what reading them takes instead
  std::int64_t bytes = 0;  // in the store
  friend bool operator==(const FeaturePass&, const FeaturePass&) = default;
};

// What a job that leaves the backbone of what it started from as it is shares with others on the same backbone that
// it is merged with (docs/lineage.md).
struct Merging {
  std::int32_t step_per_mille = 0;  // of its step alone: what is done once for all of them
  std::int64_t backbone_bytes = 0;  // of each GPU's memory: held once for all of them; 0 = not known
  std::int64_t own_bytes = 0;       // of each GPU's memory: what the job has besides
  friend bool operator==(const Merging&, const Merging&) = default;
};

// What a multimodal job trains in a phase of its work: all of it, what joins an encoder to the language model, or
// everything but the encoder.
enum class PhaseKind : std::uint8_t { full, projector, frozen_encoder };

// A part of a job's work in which its steps are alike (docs/lineage.md).
struct JobPhase {
  PhaseKind kind = PhaseKind::full;
  std::int32_t from_per_mille = 0;    // of the job's work: where it begins; the first phase at 0
  Rate speed = kUnitRate;             // over that of the whole job: shares of work over speeds sum up to 1
  std::int32_t serial_per_mille = 0;  // of a step on the requested GPUs: what more GPUs do not shorten
  std::int32_t cpu_milli = 0;         // per GPU: CPUs, in thousandths, that decoding keeps busy at that speed
  friend bool operator==(const JobPhase&, const JobPhase&) = default;
};

// Where GPUs of a job idle in each of its steps, though it holds them: a window of one of its stages.
struct BubbleWindow {
  std::int32_t stage = 0;       // from 0
  std::int32_t times = 1;       // so many alike in a step
  Duration length{};            // of one, on an undisturbed step
  std::int64_t free_bytes = 0;  // of each of the stage's GPUs, left for others; 0 = not known: as much as is asked
  friend bool operator==(const BubbleWindow&, const BubbleWindow&) = default;
};
// What a job lets others fill (sim/api/bubbles.hpp): pipelines warm up and drain, towers wait for the slowest, ranks
// for all-reduces. Its GPUs, in the order of its allocation, are shared out evenly among its stages, block by block.
struct Bubbles {
  Duration step{};  // alone on its requested allocation; 0 = it advertises none
  std::int32_t stages = 1;
  std::vector<BubbleWindow> windows{};  // by stage
  [[nodiscard]] bool any() const { return step.ns > 0; }
  friend bool operator==(const Bubbles&, const Bubbles&) = default;
};

// What a job needs to run in the bubbles of another.
struct FillWork {
  Duration unit{};             // its shortest piece of work that cannot be broken off, alone; 0 = it cannot fill
  std::int64_t gpu_bytes = 0;  // of each GPU's memory; 0 = not known: fits
  friend bool operator==(const FillWork&, const FillWork&) = default;
};

struct JobSpec {
  JobId id;
  std::string name;  // the trace's job_id
  Time submit{};
  Demand demand{};
  DemandClass demand_class{};
  std::int32_t min_gpus = 0;  // elastic range; min = max = demand.gpus for rigid jobs
  std::int32_t max_gpus = 0;
  std::string tenant{};
  JobKind kind = JobKind::unknown;
  std::string model{};
  std::string dataset{};                    // what it is trained on, by name; empty = unknown
  std::optional<Duration> user_estimate{};  // run time claimed by the user, at the requested allocation
  std::optional<Time> deadline{};
  double weight = 1.0;
  std::int64_t batch = 0;  // global batch, samples; 0 = unknown
  std::int64_t tflop = 0;  // model FLOPs of the whole job, in 10^12; 0 = unknown
  std::vector<Dependency> after{};
  // Room for what policies to come look at; of these only `cpu_sensitivity_per_mille` is read yet.
  std::string vcluster{};            // virtual cluster whose share it counts against; empty = none
  std::string market{};              // market in which its GPUs are bought ("spot"); empty = any
  std::int64_t bid_micro_per_h = 0;  // the most it pays per GPU-hour, millionths of the currency; 0 = any price
  std::string speed_class{};  // of jobs for which single GPUs differ alike (NodeGroup::gpu_speeds); empty = none
  // Share of its speed, in thousandths, that it loses with half of the CPUs, or of the host memory, that it asks for.
  std::int32_t cpu_sensitivity_per_mille = 0;
  std::int32_t mem_sensitivity_per_mille = 0;
  FeaturePass features{};
  Merging merging{};
  std::vector<JobPhase> phases{};  // in order; empty: all steps are alike
  Bubbles bubbles{};
  FillWork fills{};
};

enum class JobState : std::uint8_t {
  submitted,  // known, but its parents are not ready
  pending,    // holds nothing
  starting,   // holds its GPUs, not yet making progress
  running,
  suspended,  // keeps its state on the GPUs, makes no progress
  stopping,   // asked to stop, still holds its GPUs
  finished,
  failed,    // retry budget spent
  rejected,  // can never run here, or the policy declined it
  cancelled,
};
inline constexpr int kJobStates = 10;

[[nodiscard]] std::string_view to_string(JobState s);
[[nodiscard]] std::string_view to_string(JobKind k);
[[nodiscard]] std::string_view to_string(PhaseKind k);
inline constexpr int kPhaseKinds = 3;

// The legal moves of a job's life, in one place; everything that changes a state asserts against it.
[[nodiscard]] bool legal_move(JobState from, JobState to);

[[nodiscard]] constexpr bool is_final(JobState s) {
  return s == JobState::finished || s == JobState::failed || s == JobState::rejected || s == JobState::cancelled;
}
// States in which a job holds GPUs.
[[nodiscard]] constexpr bool holds_gpus(JobState s) {
  return s == JobState::starting || s == JobState::running || s == JobState::suspended || s == JobState::stopping;
}

}  // namespace orrery
