// AdamW (Loshchilov and Hutter: decoupled weight decay) on flat parameters, with clipping by the global norm, linear
// warm-up and a cosine to a floor. Frozen parameters have no state. The kernel is ATen's fused one, on CPU and CUDA.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "backend/trainer/flat.hpp"

namespace orrery::trainer {

struct OptimizerConfig {
  double lr = 1e-3, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 0.01;
  std::int64_t warmup = 0;    // steps
  bool cosine = true;         // else constant after the warm-up
  double min_lr_ratio = 0.1;  // of lr, at the end of the cosine
  double clip = 1.0;          // largest global norm; 0 = no clipping
};

// The rate of step `step` (0-based) of `steps`: lr * (step + 1) / warmup while that is below lr; then constant or
// lr * (floor + (1 - floor) * (1 + cos(pi * t)) / 2), t from 0 to 1.
[[nodiscard]] double rate_at(const OptimizerConfig& config, std::int64_t step, std::int64_t steps);

class AdamW {
 public:
  AdamW(FlatParameters& flat, const OptimizerConfig& config);

  // One update from the gradients. `update`: how many there were before, for the bias correction; `scheduled` of
  // `steps`: where the schedule of the rate stands (0-based), which is the same as long as the batch is the job's
  // own. The global norm of the gradients before clipping (0-dim).
  at::Tensor step(std::int64_t update, std::int64_t scheduled, std::int64_t steps);

  // The flat moments, laid out as the parameters.
  [[nodiscard]] const at::Tensor& mean() const { return mean_; }
  [[nodiscard]] const at::Tensor& square() const { return square_; }

 private:
  struct Run {
    std::vector<at::Tensor> values{}, gradients{}, means{}, squares{}, steps{};
  };
  FlatParameters* flat_;
  OptimizerConfig config_;
  at::Tensor mean_, square_, count_;
  Run decayed_{}, plain_{};  // contiguous stretches with and without weight decay
};

}  // namespace orrery::trainer
