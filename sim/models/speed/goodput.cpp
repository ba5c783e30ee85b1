// Eigen must add up in the order of the source: equal bytes whatever the compiler makes of it.
#define EIGEN_DONT_VECTORIZE
#include "sim/models/speed/goodput.hpp"

#include <Eigen/Core>
#include <algorithm>
#include <array>
#include <cmath>
#include <set>
#include <unsupported/Eigen/NonLinearOptimization>
#include <unsupported/Eigen/NumericalDiff>
#include <vector>

#include "sim/core/random.hpp"

namespace orrery {
namespace {

constexpr double kLeast = 1e-8;  // of a parameter
constexpr int kCandidates = 50;
constexpr double kRounding = 1e-8;  // a quotient so little above a whole number is meant to be one

// x^y of x >= 0; 0 where the logarithm would be of nothing.
double power(double x, double y) {
  return x > 0 ? portable_exp(std::max(y * portable_log(x), -700.0)) : 0;
}

double squared(double x) {
  return x * x;
}

// The seven parameters as the fit moves them: logarithms of the six times, then gamma mapped from the real line onto
// [1, 10]. Those that the samples say nothing of are not moved.
struct Guess {
  std::array<double, 7> x{};
  std::array<bool, 7> fixed{};

  [[nodiscard]] StepParams params() const {
    const auto s = [&](std::size_t i) { return std::clamp(portable_exp(x[i]), kLeast, 1e6); };
    return {s(0), s(1), s(2), s(3), s(4), s(5), 1 + 9 / (1 + portable_exp(-x[6]))};
  }
};

struct Errors {
  double gradient = 0, iteration = 0;  // root mean squares of logarithms
};

Errors errors_of(const StepParams& p, std::span<const StepSample> samples) {
  Errors e;
  for (const StepSample& s : samples) {
    e.gradient += squared(portable_log(gradient_time(p, s.local_batch) / s.gradient_s));
    e.iteration += squared(portable_log(iteration_time(p, s.nodes, s.gpus, s.local_batch) / s.iteration_s));
  }
  const auto n = static_cast<double>(samples.size());
  return {std::sqrt(e.gradient / n), std::sqrt(e.iteration / n)};
}

double penalty(const StepParams& p) {
  return 1e-3 * squared(p.gamma - 1) + 1e-2 * (squared(p.beta_n / p.alpha_n) + squared(p.beta_r / p.alpha_r));
}

// The squares whose sum touches the loss at the errors `at` and is nowhere below it: a root is at most the mean of
// its value there and square / value there.
struct Squares {
  using Scalar = double;
  using InputType = Eigen::VectorXd;
  using ValueType = Eigen::VectorXd;
  using JacobianType = Eigen::MatrixXd;
  enum { InputsAtCompileTime = Eigen::Dynamic, ValuesAtCompileTime = Eigen::Dynamic };

  std::span<const StepSample> samples;
  Guess guess;
  Errors at;

  [[nodiscard]] int inputs() const {
    return static_cast<int>(std::count(guess.fixed.begin(), guess.fixed.end(), false));
  }
  [[nodiscard]] int values() const { return static_cast<int>(2 * samples.size()) + 3; }
  [[nodiscard]] Guess moved(const Eigen::VectorXd& v) const {
    Guess g = guess;
    Eigen::Index next = 0;
    for (std::size_t i = 0; i < g.x.size(); ++i)
      if (!g.fixed[i]) g.x[i] = v[next++];
    return g;
  }
  int operator()(const Eigen::VectorXd& v, Eigen::VectorXd& out) const {
    constexpr double kFloor = 1e-5;  // of an error: below, more weight finds nothing
    const StepParams p = moved(v).params();
    const auto n = static_cast<double>(samples.size());
    const double weight_g = 1 / std::sqrt(2 * n * std::max(at.gradient, kFloor)),
                 weight_i = 1 / std::sqrt(2 * n * std::max(at.iteration, kFloor));
    Eigen::Index k = 0;
    for (const StepSample& s : samples) {
      out[k++] = weight_g * portable_log(gradient_time(p, s.local_batch) / s.gradient_s);
      out[k++] = weight_i * portable_log(iteration_time(p, s.nodes, s.gpus, s.local_batch) / s.iteration_s);
    }
    out[k++] = std::sqrt(1e-3) * (p.gamma - 1);
    out[k++] = 0.1 * p.beta_n / p.alpha_n;
    out[k] = 0.1 * p.beta_r / p.alpha_r;
    return 0;
  }
};

Guess descend(std::span<const StepSample> samples, Guess guess) {
  for (int round = 0; round < 12; ++round) {
    Squares squares{samples, guess, errors_of(guess.params(), samples)};
    Eigen::VectorXd v(squares.inputs());
    Eigen::Index next = 0;
    for (std::size_t i = 0; i < guess.x.size(); ++i)
      if (!guess.fixed[i]) v[next++] = guess.x[i];
    Eigen::NumericalDiff<Squares, Eigen::Central> differentiable(squares);
    Eigen::LevenbergMarquardt<Eigen::NumericalDiff<Squares, Eigen::Central>> method(differentiable);
    method.parameters.maxfev = 400;
    method.minimize(v);
    guess = squares.moved(v);
  }
  return guess;
}

// Which parameters the samples say nothing of.
struct Unseen {
  bool several_batches = false, one_node = false, more_nodes = false, beyond_two = false;
};

Unseen look_at(std::span<const StepSample> samples) {
  Unseen seen;
  std::set<double> batches;
  for (const StepSample& s : samples) {
    batches.insert(s.local_batch);
    seen.one_node = seen.one_node || (s.nodes == 1 && s.gpus > 1);
    seen.more_nodes = seen.more_nodes || s.nodes > 1;
    seen.beyond_two = seen.beyond_two || s.gpus > 2;
  }
  seen.several_batches = batches.size() > 1;
  return seen;
}

}  // namespace

double gradient_time(const StepParams& p, double local_batch) {
  return p.alpha_c + p.beta_c * local_batch;
}

double sync_time(const StepParams& p, int nodes, int gpus) {
  if (gpus <= 1) return 0;
  const double beyond = std::max(gpus - 2, 0);
  return nodes <= 1 ? p.alpha_r + p.beta_r * beyond : p.alpha_n + p.beta_n * beyond;
}

double iteration_time(const StepParams& p, int nodes, int gpus, double local_batch) {
  const double gradient = gradient_time(p, local_batch), sync = sync_time(p, nodes, gpus);
  if (sync <= 0) return gradient;
  // The larger one is taken out, so that no power overflows or vanishes.
  const double large = std::max(gradient, sync), small = std::min(gradient, sync);
  return large * power(1 + power(small / large, p.gamma), 1 / p.gamma);
}

double step_time(const StepParams& p, int nodes, int gpus, double local_batch, int accumulation) {
  return accumulation * gradient_time(p, local_batch) + iteration_time(p, nodes, gpus, local_batch);
}

double step_gain(const GradientStats& g, double scale) {
  return (g.var + g.sqr) / (g.var / scale + g.sqr);
}

double statistical_efficiency(const GradientStats& g, double scale) {
  return step_gain(g, scale) / scale;
}

std::optional<BatchChoice> best_batch(const StepParams& p, const GradientStats& g, const BatchLimits& limits,
                                      int nodes, int gpus) {
  const double k = gpus,
               low = std::max(static_cast<double>(limits.initial), k * static_cast<double>(limits.min_local)),
               high = static_cast<double>(limits.largest);
  if (gpus < 1 || low > high) return std::nullopt;
  std::optional<BatchChoice> best;
  for (int i = 0; i < kCandidates; ++i) {
    const double batch = low * power(high / low, static_cast<double>(i) / (kCandidates - 1));
    const double local = batch / k;
    double parts = std::max(1.0, std::ceil(local / static_cast<double>(limits.max_local) - kRounding));
    if (gpus == 1 && parts < 2 && batch > static_cast<double>(limits.initial) * (1 + kRounding)) parts = 2;
    BatchChoice c;
    c.accumulation = static_cast<std::int32_t>(parts) - 1;
    c.local = static_cast<std::int64_t>(std::ceil(local / parts - kRounding));
    c.total = c.local * gpus * (c.accumulation + 1);
    const double total = static_cast<double>(c.total);
    const double scale = total / static_cast<double>(limits.initial);
    c.goodput = total / step_time(p, nodes, gpus, static_cast<double>(c.local), c.accumulation) *
                statistical_efficiency(g, scale);
    if (!best || c.goodput > best->goodput) best = c;
  }
  return best;
}

std::optional<StepParams> fit_step_params(std::span<const StepSample> samples) {
  if (samples.empty()) return std::nullopt;
  const Unseen seen = look_at(samples);
  double mean_gradient = 0, mean_batch = 0, mean_extra = 0;
  for (const StepSample& s : samples) {
    const double n = static_cast<double>(samples.size());
    mean_gradient += s.gradient_s / n;
    mean_batch += s.local_batch / n;
    mean_extra += std::max(s.iteration_s - s.gradient_s, 0.01 * s.gradient_s) / n;
  }
  const double least = portable_log(kLeast);
  Guess start;
  start.x = {portable_log(mean_gradient / 2),
             portable_log(std::max(mean_gradient / 2 / std::max(mean_batch, 1e-9), kLeast)),
             portable_log(mean_extra),
             portable_log(mean_extra / 10),
             portable_log(mean_extra),
             portable_log(mean_extra / 10),
             0};
  const auto fix = [&](std::size_t i, double value) {
    start.x[i] = value;
    start.fixed[i] = true;
  };
  if (!seen.several_batches) fix(0, portable_log(mean_gradient / 2));
  if (!seen.one_node) fix(4, least), fix(5, least);
  if (!seen.more_nodes) fix(2, least), fix(3, least);
  if (!seen.beyond_two) fix(3, least), fix(5, least);
  // How much overlaps has several minima: start from little, some and much.
  std::optional<StepParams> best;
  double best_loss = 0;
  for (const double overlap : {-2.0, -4.0, 1.0}) {
    start.x[6] = overlap;
    const StepParams p = descend(samples, start).params();
    const Errors e = errors_of(p, samples);
    const double loss = e.gradient + e.iteration + penalty(p);
    if (!best || loss < best_loss) best = p, best_loss = loss;
  }
  StepParams p = *best;
  if (!seen.more_nodes) p.alpha_n = std::max(p.alpha_n, 1.1 * p.alpha_r);
  return p;
}

void NoiseEstimator::add(double small, double small_sqr, double big, double big_sqr) {
  if (!(small > 0 && big > small)) return;
  const double sqr = (big * big_sqr - small * small_sqr) / (big - small);
  const double var = (small_sqr - big_sqr) / (1 / small - 1 / big);
  sqr_ = keep_ * sqr_ + (1 - keep_) * sqr;
  var_ = keep_ * var_ + (1 - keep_) * var;
  weight_ = keep_ * weight_ + (1 - keep_);  // takes the start at zero out again
}

std::optional<GradientStats> NoiseEstimator::at(double initial) const {
  if (weight_ <= 0) return std::nullopt;
  constexpr double kSmallest = 1e-6;
  return GradientStats{std::max(sqr_ / weight_, kSmallest), std::max(var_ / weight_ / initial, kSmallest)};
}

}  // namespace orrery
