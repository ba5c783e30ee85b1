// The table of workload generators behind `orrery trace gen NAME` and `workload.generate: { model: NAME }`. A
// generator is one file and one row; it draws each property from its own named stream. Same specification and seed,
// same bytes.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "sim/models/lifecycle/transfer.hpp"
#include "sim/models/speed/throughputs.hpp"
#include "traces/synth/catalogue.hpp"
#include "traces/synth/poisson.hpp"

namespace orrery {

// lineage: when the pretraining jobs of lineages are submitted: as they are drawn; all at once, at the start; or at
// even gaps.
enum class ParentArrivals : std::uint8_t { natural, burst, staggered };
[[nodiscard]] std::string_view to_string(ParentArrivals arrivals);
[[nodiscard]] const std::vector<std::string_view>& parent_arrivals();  // their names, in order

inline constexpr double kUsualGrids = 0.15;

// What a generated workload is made by. Of the Poisson part, every generator takes jobs, rate or load, tenants,
// overestimate and seed; the mix and the law of run times are the poisson model's own.
struct GenerateSpec : PoissonSpec {
  std::string model = "poisson";
  double zipf = 1.1;  // lineage: how unevenly children choose their parents
  // lineage: the kinds of jobs (not null), at which of their sizes, and what a GPU does, for size `cluster`
  std::shared_ptr<const Catalogue> catalogue{};
  SizeName size = SizeName::cluster;
  TrainingDevice device = kH200Node;
  GainLaw gains{};  // lineage: what a kind of parent is worth for a data set
  double grids =
      kUsualGrids;  // lineage: share of submissions of LoRA jobs and probes that are a grid of hyper-parameters
  ParentArrivals parents = ParentArrivals::natural;
  double children = 0;  // lineage: share of the lineages' GPU-time that is not pretraining, in (0, 1); 0 = as drawn
  bool edges = true;    // lineage: false = the same jobs, none of which descends from another
  double independent = 0;   // lineage: share of all GPU-time in jobs beside the lineages, in [0, 1)
  std::int32_t epochs = 0;  // lineage: passes over its data that a transfer job makes from its base; 0 = unknown
  // lineage: [kind of job] the column `phases` of its jobs; others have none
  std::map<std::string, std::string> phases{};
  double elastic = 0;  // lineage: share of the jobs of each kind that may have other numbers of GPUs
  // gavel: steps per second, from which `iterations` follow (steps = run time x that on V100s); null =
  // no steps, and run times are those on whatever type work is counted on
  std::shared_ptr<const ThroughputSet> throughputs{};
  std::int64_t deadlines = 0;   // gavel: 1 = every job gets a deadline of 1.2, 2 or 10 times its run time
  std::int64_t priorities = 0;  // gavel: 1 = a fifth of the jobs weighs 5
};

inline constexpr std::string_view kGavelReference = "v100";

// One number of GainLaw that a user may set: `gains: { positive: 0.3 }`, `--gains positive=0.3`.
struct GainParameter {
  std::string_view name;
  double GainLaw::*value;
  double most;  // from 0 to it
  std::string_view about;
};
[[nodiscard]] const std::vector<GainParameter>& gain_parameters();

struct Generator {
  std::string_view name;
  std::string_view about;
  std::vector<std::string_view> keys;  // of its own, beside those every generator takes
  Expected<Trace> (*make)(const GenerateSpec& spec);
};

[[nodiscard]] const std::vector<Generator>& generators();
[[nodiscard]] const Generator* find_generator(std::string_view name);
// `spec.model` must be the name of one. Errors: what the specification asks for cannot be met, such as the load.
[[nodiscard]] Expected<Trace> generate(const GenerateSpec& spec);

// Gavel's trace generator, by its published distributions (OSDI'20): GPUs 1/2/4/8 with probability .7/.1/.15/.05; run
// time 60 x 10^U(1.5,3) s for four jobs of five, else 60 x 10^U(3,4) s; Poisson arrivals; 26 job types, uniformly, of
// which those that train on several GPUs are drawn for such jobs. Types have the names of Gavel's throughput tables,
// "ResNet-50 (batch size 32)". The numbers are drawn from our streams, not CPython's: the same distributions, not
// the same traces. Errors: a table of throughputs that lacks a type on a V100.
[[nodiscard]] Expected<Trace> generate_gavel(const GenerateSpec& spec);

// Jobs as in Microsoft's Philly, 2017: mean run time 18,006 s, median 874 s, at most 4,240,676 s, mean 1.93 GPUs, at
// most 128, most jobs on one GPU, virtual clusters of uneven size, more submits by day.
[[nodiscard]] Expected<Trace> generate_philly(const GenerateSpec& spec);

// Jobs as in Acme's Kalos, 2023: 92.9 % evaluations that take about 0.8 % of GPU-time, 3.2 % pretraining jobs of up
// to 1,024 GPUs that take 94 %, the rest fine-tuning and debugging.
[[nodiscard]] Expected<Trace> generate_acme(const GenerateSpec& spec);

// Lineage workloads: rare, large multimodal pretraining jobs that publish checkpoints, and what descends from them:
// transfer jobs (full fine-tunes, LoRA, linear probes) that choose a parent by Zipf's law, grids of hyper-parameters
// that share a backbone, and evaluations. Which kinds there are, how many GPUs they take and how much work they are
// is the catalogue's; arrivals, popularity, grids and gains are the generator's. Edges (`p17@hard:0.8;p9@soft`),
// gains per (parent's kind, data set), steps and model FLOPs are columns of the trace. Jobs larger than
// spec.cluster_gpus (512 where it is unknown) take half of their GPUs, until they fit. How its parents arrive, and
// what shares of it children, jobs beside lineages and elastic jobs have, is said in lineage_shape.hpp. Errors: no
// catalogue; a device whose speed is not known; a share of children in a workload that has none.
[[nodiscard]] Expected<Trace> generate_lineage(const GenerateSpec& spec);

}  // namespace orrery
