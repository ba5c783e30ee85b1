// A catalogue of jobs: every kind of job of a lineage workload once, at the two sizes at which it is run: `live`, as
// orrery-trainer trains it on a few slots, and `cluster`, the same architecture grown to many GPUs. The generator
// draws its jobs from here and live scenarios train them; the YAML file is read in scenarios/app
// (catalogue_file.hpp), what its keys mean is said in docs/lineage.md.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "sim/core/error.hpp"
#include "sim/core/job.hpp"
#include "sim/models/training/training_cost.hpp"
#include "traces/synth/draws.hpp"

namespace orrery {

enum class SizeName : std::uint8_t { cluster, live };
[[nodiscard]] std::string_view to_string(SizeName size);

struct CatalogueParent {
  std::size_t job = 0;                         // index in the catalogue, smaller than the child's
  std::vector<std::int32_t> hard_per_mille{};  // progress that a child may wait for, each as likely; ascending
  double soft = 0;                             // of children that also like another job of this parent's kind
};

struct CatalogueSize {
  Mix gpus{};  // (GPUs or slots, weight); not empty
  TrainingRun run;
  double spread = 0;  // standard deviation of ln(work): by how much jobs differ in how long they train
  Duration step{};    // live: of a step on a slot, as measured; 0 = not known
  SourcePos where{};  // of the size in the file
};

struct CatalogueJob {
  std::string name;  // the `model` column
  JobKind kind = JobKind::pretrain;
  double share = 1;  // how often it is submitted, relative to others; of an evaluation: how likely at each point
  std::string task;  // what a child is trained for: gains are drawn per pair of parent and task
  std::vector<CatalogueParent> after{};  // empty: from scratch
  CatalogueSize live, cluster;
  [[nodiscard]] const CatalogueSize& at(SizeName size) const { return size == SizeName::live ? live : cluster; }
};

struct Catalogue {
  std::string file;  // as given, for messages
  std::vector<CatalogueJob> jobs;
  // nullptr where there is none of this name.
  [[nodiscard]] const CatalogueJob* find(std::string_view name) const;
  [[nodiscard]] std::vector<std::string_view> names() const;
};

// What a job of this size takes on `gpus` of them: by training_cost() on the device, or live by its measured step.
struct SizeCost {
  double seconds = 0;  // of the catalogue's number of steps
  double flops = 0;
  double step_s = 0;
  double once_s = 0;  // of `seconds`, before the first step
};
[[nodiscard]] SizeCost size_cost(const CatalogueJob& job, SizeName size, int gpus, const TrainingDevice& device);

}  // namespace orrery
