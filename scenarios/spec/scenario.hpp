// A scenario: everything that determines a run. Read from YAML (scenario_reader), overridden by --set, written
// back whole by --print-config; what is here is what the manifest's config digest covers.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "sim/core/error.hpp"
#include "sim/core/time.hpp"
#include "sim/core/topology.hpp"
#include "sim/models/lifecycle/failures.hpp"
#include "sim/models/network/network_model.hpp"
#include "traces/synth/generators.hpp"

namespace orrery::app {

struct ClusterConfig {
  std::vector<NodeGroup> groups;
};

// Stands for the folder of recorded traces in `workload.trace`.
inline constexpr std::string_view kTracesVariable = "${ORRERY_TRACES}";

enum class EstimateSource { automatic, user, history, oracle, none };

struct WorkloadConfig {
  std::string trace;           // path as written: relative to the scenario file, may start with ${ORRERY_TRACES}
  std::string trace_resolved;  // path to open
  std::string format = "auto";
  std::optional<GenerateSpec> generate;  // instead of a trace; its seed is the run's
  std::string catalogue;                 // what the names in the model column are (catalogue_file.hpp), as written
  std::string catalogue_resolved;        // file to open; empty = there is none
  std::int64_t skip = 0;                 // slice.skip
  std::int64_t jobs = -1;                // slice.jobs; -1 = all
  std::optional<double> load;
  EstimateSource estimates = EstimateSource::automatic;
};

// A policy with its options as written: text plus position, converted by the policy's own option table.
struct PolicyConfig {
  PolicyConfig();
  // Compiled once: the compiler would else write them out wherever one is copied or destroyed.
  PolicyConfig(const PolicyConfig&);
  PolicyConfig(PolicyConfig&&) noexcept;
  PolicyConfig& operator=(const PolicyConfig&);
  PolicyConfig& operator=(PolicyConfig&&) noexcept;
  ~PolicyConfig();

  std::string name = "fifo";
  std::string label;  // what tables call it; empty = name
  std::string placement = "count";
  std::map<std::string, std::string> options;  // its own keys beside name and placement; lists as "[a, b]"
  std::map<std::string, SourcePos> where;      // of each option, and of name and placement
  std::map<std::string, SourcePos> keys;       // where the names of options stand
};

// `by: checkpoint`: a time that follows from the bytes of a job's checkpoint and how fast they move.
struct CheckpointTransfer {
  std::int64_t bandwidth = 0;                 // bytes per second between a node and the storage
  std::int64_t storage = 0;                   // of the storage, all nodes of a job together; 0 = no limit
  std::map<std::string, std::int64_t> bytes;  // by model; else by the catalogue's parameters; else `default_bytes`
  std::int64_t default_bytes = 0;             // 0 = a job of another model is an error
  // Of a restart, beside loading: processes start and the first steps are slow; each GPU connects.
  Duration start = seconds(26), per_rank = milliseconds(10);
};

struct OverheadConfig {
  Duration launch{};                               // every launch
  std::string restart = "zero";                    // zero | constant | per_model | checkpoint
  Duration restart_constant{};                     // constant, and default of per_model
  std::map<std::string, Duration> restart_models;  // per_model
  CheckpointTransfer restart_load{};               // checkpoint
  Duration stop{};                                 // from being asked to stop until the GPUs are free
};

struct FailureConfig {
  Duration node_mtbf{};  // mean time between a repair and the next failure of one node; 0 = nodes never fail
  Duration repair = seconds(3600);  // mean time to repair
  std::vector<Outage> outages;      // `outages`: known ones, besides those by chance
  std::string capacity;             // a recording of how many nodes there were, as written; and the file to open
  std::string capacity_resolved;
  std::int64_t retries = 3;  // failures of a job, other than of its nodes, that are retried
  Stragglers stragglers{};   // nodes that are slow for a while
  Lemons lemons{};           // nodes whose faults come more often
};

struct CheckpointConfig {
  Duration every{};                          // running time between checkpoints; 0 = only when a job is asked to stop
  Duration cost{};                           // how long a job stands still for one
  std::optional<CheckpointTransfer> save{};  // instead of `cost`
};

// Where run times and speeds come from when not from the trace: profiles of applications.
struct PerformanceConfig {
  std::string profiles;           // folder or file as written, may start with ${ORRERY_TRACES}
  std::string profiles_resolved;  // what to open
  std::string family = "pollux";  // how the tables are laid out: pollux | titan | gavel | lucid | calibrated
  // pollux, titan: what their tables are called that GPU types without any of their own name take; empty = none.
  // gavel, calibrated: the type on which work is counted. lucid: the type on which it was measured.
  std::string hardware;
  std::map<std::string, std::string> tables;  // pollux, titan: what the tables of a GPU type are called
  std::int64_t gpu_memory = 0;  // bytes of each GPU, for titan: what does not fit is accumulated; 0 = no limit
  bool clamp = false;           // `missing: clamp`: what was not measured is the nearest that was
};

// An instant of a workload: a time after its first submit, or a share of the span of its submits.
struct SubmitPoint {
  Duration after{};
  std::int64_t share_1e9 = -1;  // billionths of the span; below 0 = `after` says it
};

// `measure`: the jobs that metrics are of, by when they are submitted; both ends belong to it.
struct MeasureConfig {
  std::optional<SubmitPoint> from, to;
  [[nodiscard]] bool all() const { return !from && !to; }
};

// When jobs that others depend on publish what these may start from, besides the points that their edges name.
struct PublishConfig {
  std::int64_t every_per_mille = 0;  // of the job's work; 0 = only where edges ask
  Duration cost{};                   // how long a job stands still for it
};

// The store of features that the probes of a run share (docs/lineage.md). Without it each computes its own.
struct FeaturesConfig {
  std::int64_t limit_bytes = 100'000'000'000;
  std::int64_t bytes_per_s = 1'000'000'000;
  double readers = 1;    // expected of an entry, after the probe that computes it
  std::string folder{};  // absolute; live runs; empty = in the run's folder
};

// What jobs on one frozen backbone save by being merged; -1 = as the catalogue's cost model says, nothing without
// one.
struct MergingConfig {
  std::int64_t gamma_per_mille = -1;  // of a step alone: what is done once for all of them
};

// Whether jobs that decode compete for the CPUs of their nodes.
struct DecodingConfig {
  bool contend = false;
};

// Bubbles of pretraining jobs that others fill (docs/lineage.md). Without it nobody advertises any.
struct BubblesConfig {
  Duration step = seconds(1);
  std::int64_t share_per_mille = 250;
  std::int32_t stages = 1;
  std::int32_t micro_batches = 0;
  std::vector<Duration> towers{};  // else, of a job with a stage for each tower
  std::int32_t ranks = 1;
  std::int64_t gradient_bytes = 0;
  std::int64_t link_bytes_per_s = 0;
  std::int64_t free_bytes = 0;
  Duration unit = milliseconds(50);
  std::int64_t need_bytes = 0;
  Duration switch_time{};
  std::int64_t interference_ppm = 0;
  Duration report = seconds(120);
};

// What jobs send over the cluster's links; without it, placement and neighbours do not matter.
struct NetworkConfig {
  StepTraffic step;  // of jobs whose model has no row in `models`
  std::map<std::string, StepTraffic> models;
  bool contention = true;  // false: every job as if alone on its links
};

// In `live.models`, instead of a job file: jobs of that model do not train, they take their time.
inline constexpr std::string_view kPacedModel = "paced";

// How `orrery live` runs the scenario; the simulator does not look at it.
struct LiveConfig {
  std::string engine = "local";      // a name of engine_table()
  std::int64_t time_scale = 1;       // seconds of the run per second of wall clock
  Duration step = milliseconds(50);  // wall time of one step of a paced job
  Duration lease = seconds(30);      // wall time a worker goes on without hearing from the controller
  Duration watchdog = seconds(30);   // the least silence, wall time, after which a gang is taken for hung
  bool gpus = false;                 // slots are GPUs of this machine, else CPU slots
  // `nodes: here`: a cluster of several nodes is played by this machine, whose slots are shared out among them.
  bool nodes_here = false;
  // `models`: what jobs of a model really train, as paths of job files (scenarios/jobs/*.yaml); written relative to
  // the scenario's file, resolved here; or kPacedModel. Jobs of other models are trained as `workload.catalogue`
  // says; without models and catalogue all are paced.
  std::map<std::string, std::string> models{};
};

// `intervals: auto`: a hundred resamples where they are cheap.
inline constexpr int kIntervalsByCost = -1;
inline constexpr int kFewestResamples = 20, kMostResamples = 100'000;

struct Scenario {
  Scenario();
  Scenario(const Scenario&);
  Scenario(Scenario&&) noexcept;
  Scenario& operator=(const Scenario&);
  Scenario& operator=(Scenario&&) noexcept;
  ~Scenario();

  std::string file;  // as given
  std::string name;  // `name`, default: the file's stem
  ClusterConfig cluster;
  WorkloadConfig workload;
  PolicyConfig policy;
  std::vector<PolicyConfig> compare_policies;  // `compare.policies`, optional: what `compare` runs by default
  OverheadConfig overheads;
  FailureConfig failures;
  CheckpointConfig checkpoints;
  std::optional<PerformanceConfig> performance;
  PublishConfig publish;
  std::optional<FeaturesConfig> features;
  MergingConfig merging;
  DecodingConfig decoding;
  std::optional<BubblesConfig> bubbles;
  MeasureConfig measure;
  std::optional<NetworkConfig> network;
  std::optional<LiveConfig> live;
  std::string emulate = "none";      // none | tiresias | muri | pollux | titan
  int seeds = 1;                     // seeds 1..n
  int intervals = kIntervalsByCost;  // `intervals`: how often `compare` draws a recorded trace again; 0 = none
  std::string output_dir = "runs";
  std::optional<bool> log_events;  // `output.events`; default: on below 200,000 jobs
  bool check = true;               // `check`: invariant checker

  std::map<std::string, Diagnostic> places{};  // [path of a key] where its value stands
};

// An error that was found after the scenario was read, at the value of the key that it is about: those of its parts
// that have no place yet get that of `path`, or of the nearest section above it that was written down.
[[nodiscard]] Error placed(const Scenario& s, std::string_view path, Error error);

}  // namespace orrery::app
