// An application compiled from its profile: how a global batch is split over GPUs, how long a step takes on a shape
// of GPUs, how far a step gets (docs/formulas.md, after Qiao et al., Pollux, OSDI 2021), and how two of its jobs
// get on with each other on one GPU. Pure functions of flat tables; nothing here allocates after compile().
#pragma once

#include <cstdint>
#include <optional>

#include "sim/models/speed/profiles.hpp"

namespace orrery {

class Application {
 public:
  // A global batch, split: GPUs x per_gpu x (accumulation + 1) samples.
  struct Split {
    std::int64_t per_gpu = 0;
    std::int64_t accumulation = 0;  // steps whose gradients are added up before the last one synchronises
    std::int64_t total = 0;         // samples of one optimiser step; rounding can make it differ from what was asked
  };

  // Local batches go up to the largest that was measured and, where the profile says how much memory its GPUs have,
  // that fits; errors name what does not.
  [[nodiscard]] static Expected<Application> compile(ApplicationProfile profile);

  [[nodiscard]] const std::string& name() const { return profile_.name; }
  [[nodiscard]] const std::string& hardware() const { return profile_.hardware; }
  [[nodiscard]] const StepTimes& step_times() const { return times_; }
  // Epochs until the end of training; 0 when progress is counted in samples.
  [[nodiscard]] std::size_t epochs() const { return ends_.size(); }
  // Progress at the end of each epoch: the smallest over the batch sizes.
  [[nodiscard]] const std::vector<double>& epoch_ends() const { return ends_; }
  // The most GPUs that a global batch can be split over.
  [[nodiscard]] std::int32_t most_gpus(std::int64_t batch) const;
  [[nodiscard]] const SplitStyle& split_style() const { return profile_.split; }
  [[nodiscard]] double start_s() const { return profile_.start_s; }
  [[nodiscard]] std::int64_t initial_batch() const { return profile_.initial_batch; }
  [[nodiscard]] std::int64_t max_local_batch() const { return profile_.max_local_batch; }

  // `accumulation` 0: as little as the local batch allows.
  [[nodiscard]] Split split(std::int64_t batch, int gpus, std::int32_t accumulation = 0) const;
  // One optimiser step, accumulation included.
  struct Step {
    double seconds = 0;
    bool covered = true;  // as StepTime::covered
  };
  [[nodiscard]] Step step(const NodeRing& shape, const Split& split) const;
  // Progress of one optimiser step in `epoch` (from 0): the gain (var + sqr) / (var / scale + sqr), or samples.
  [[nodiscard]] double gain(std::int64_t total, std::size_t epoch) const;
  // The share of its speed alone at which a job with local batch `own` runs on a GPU beside one with `other`. Nothing
  // when that was not measured, or when both together do not fit the GPU.
  [[nodiscard]] std::optional<double> beside(std::int64_t own, std::int64_t other) const;
  // GiB of a GPU at a local batch; 0 = not measured.
  [[nodiscard]] double memory_gib(std::int64_t local_batch) const {
    return memory_.at(static_cast<double>(local_batch));
  }
  // Iterations at a global batch from the start to the end of `epoch` (from 0); linear between batch sizes.
  [[nodiscard]] double iterations(std::int64_t batch, std::size_t epoch) const;

 private:
  struct Bracket {
    const BatchStats* low = nullptr;
    const BatchStats* high = nullptr;
    double part = 0;  // of `high`
  };
  [[nodiscard]] Bracket bracket(std::int64_t batch) const;

  ApplicationProfile profile_;
  StepTimes times_;
  MemoryTable memory_;
  SharedSteps shared_;
  std::vector<double> ends_;
};

}  // namespace orrery
