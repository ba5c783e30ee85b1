// Throughput times statistical efficiency of data-parallel training, after Pollux (Qiao et al., OSDI 2021) and Sia
// (Jayaram Subramanya et al., SOSP 2023): how long an optimiser step takes, how far it gets, the best global batch,
// and both learnt online from measured steps and gradients. Times in seconds, batches in samples. Pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

namespace orrery {

// T_grad = alpha_c + beta_c m for a local batch of m; T_sync = 0 on one GPU, alpha_r + beta_r max(K - 2, 0) on K GPUs
// of one node, alpha_n + beta_n max(K - 2, 0) on more nodes; T_iter = (T_grad^gamma + T_sync^gamma)^(1/gamma): gamma
// 1 = no overlap of the two, 10 = nearly full.
struct StepParams {
  double alpha_c = 0, beta_c = 0;
  double alpha_n = 0, beta_n = 0;
  double alpha_r = 0, beta_r = 0;
  double gamma = 1;
};

[[nodiscard]] double gradient_time(const StepParams& p, double local_batch);
[[nodiscard]] double sync_time(const StepParams& p, int nodes, int gpus);
// One iteration that synchronises, without accumulation.
[[nodiscard]] double iteration_time(const StepParams& p, int nodes, int gpus, double local_batch);
// A whole optimiser step: `accumulation` iterations that do not synchronise, then one that does.
[[nodiscard]] double step_time(const StepParams& p, int nodes, int gpus, double local_batch, int accumulation);

// At the initial batch: squared norm of the true gradient, and trace of its covariance.
struct GradientStats {
  double sqr = 0;
  double var = 0;
};

// Of a step with `scale` times the initial batch: how many steps at the initial batch it is worth, (var + sqr) /
// (var / scale + sqr), and that per sample relative to the initial batch.
[[nodiscard]] double step_gain(const GradientStats& g, double scale);
[[nodiscard]] double statistical_efficiency(const GradientStats& g, double scale);

struct BatchLimits {
  std::int64_t initial = 1;  // global, M0
  std::int64_t largest = 1;  // global
  std::int64_t min_local = 1, max_local = 1;
};

struct BatchChoice {
  double goodput = 0;      // efficient samples per second
  std::int64_t local = 0;  // per GPU and iteration
  std::int32_t accumulation = 0;
  std::int64_t total = 0;  // gpus x local x (accumulation + 1)
};

// The best of 50 global batches, evenly apart in logarithms from max(initial, gpus x min_local) to largest; on one
// GPU a batch above the initial one is accumulated, so that its gradient noise can be measured. Nothing where no
// batch is within the limits.
[[nodiscard]] std::optional<BatchChoice> best_batch(const StepParams& p, const GradientStats& g,
                                                    const BatchLimits& limits, int nodes, int gpus);

// One measured configuration.
struct StepSample {
  int nodes = 1;
  int gpus = 1;
  double local_batch = 0;  // samples
  double gradient_s = 0;   // an iteration that does not synchronise; > 0
  double iteration_s = 0;  // one that does; > 0
};

// Least root mean square of the logarithms of predicted / measured, of both times, plus 1e-3 (gamma - 1)^2 and 1e-2
// ((beta_n / alpha_n)^2 + (beta_r / alpha_r)^2). What was not measured is assumed to cost nothing (so that a
// scheduler tries it): several GPUs of a node, several nodes (at least 1.1 alpha_r), more than two GPUs; with a
// single local batch half of the gradient time is fixed. Nothing without samples. Minimised by Levenberg and
// Marquardt's method over logarithms, reweighted until the squares it takes are the roots above.
[[nodiscard]] std::optional<StepParams> fit_step_params(std::span<const StepSample> samples);

// Gradient statistics from the norms of gradients of two batch sizes, smoothed exponentially (McCandlish et al.
// 2018): sqr = (B_big |G_big|^2 - B_small |G_small|^2) / (B_big - B_small), var = (|G_small|^2 - |G_big|^2) / (1 /
// B_small - 1 / B_big), per sample.
class NoiseEstimator {
 public:
  // `keep`: the weight of the past, in [0, 1).
  explicit NoiseEstimator(double keep = 0.9) : keep_(keep) {}
  // Squared norms of the mean gradient over `small` samples (one rank, or one accumulated part; averaged over them)
  // and over all `big` > `small` samples.
  void add(double small, double small_sqr, double big, double big_sqr);
  // At batch `initial`: the covariance of a mean over as many samples. Nothing before the first step; at least 1e-6.
  [[nodiscard]] std::optional<GradientStats> at(double initial) const;

 private:
  double keep_;
  double sqr_ = 0, var_ = 0, weight_ = 0;
};

}  // namespace orrery
