// Goodput: the vectors of docs/formulas.md, fits that find what made the samples, and gradient noise from two
// batches.
#include <catch2/catch.hpp>
#include <cmath>
#include <vector>

#include "sim/core/random.hpp"
#include "sim/models/speed/goodput.hpp"

using namespace orrery;

namespace {

constexpr StepParams kTrue{.05, .001, .08, .005, .03, .002, 1.6};

StepSample sample(int nodes, int gpus, double local) {
  return {nodes, gpus, local, gradient_time(kTrue, local), iteration_time(kTrue, nodes, gpus, local)};
}

double error(const StepParams& fit, int nodes, int gpus, double local) {
  return std::abs(iteration_time(fit, nodes, gpus, local) / iteration_time(kTrue, nodes, gpus, local) - 1);
}

}  // namespace

TEST_CASE("goodput: the best batch of five shapes", "[models][goodput]") {
  struct Row {
    int nodes, gpus;
    double goodput;
    std::int64_t local;
    int accumulation;
    std::int64_t total;
  };
  for (const Row& r :
       {Row{1, 1, 829.839, 251, 2, 753}, Row{1, 2, 1644.65, 254, 2, 1524}, Row{1, 4, 3260.63, 253, 1, 2024},
        Row{2, 8, 6131.47, 256, 1, 4096}, Row{4, 16, 10917.4, 256, 0, 4096}}) {
    const auto best = best_batch(kTrue, {1e-3, 1}, {128, 4096, 32, 256}, r.nodes, r.gpus);
    REQUIRE(best);
    INFO(r.nodes << " nodes, " << r.gpus << " GPUs");
    CHECK(best->goodput == Approx(r.goodput).epsilon(1e-5));
    CHECK(best->local == r.local);
    CHECK(best->accumulation == r.accumulation);
    CHECK(best->total == r.total);
  }
  CHECK_FALSE(best_batch(kTrue, {1e-3, 1}, {128, 256, 32, 256}, 4, 16));  // 16 x 32 samples are too many
}

TEST_CASE("goodput: a fit predicts shapes and batches it has not seen", "[models][goodput]") {
  std::vector<StepSample> samples;
  for (const double local : {32.0, 64.0, 128.0, 256.0})
    for (const auto& [nodes, gpus] : {std::pair{1, 1}, {1, 2}, {1, 4}, {2, 8}, {4, 16}, {3, 6}})
      samples.push_back(sample(nodes, gpus, local));
  const auto fit = fit_step_params(samples);
  REQUIRE(fit);
  for (const double local : {48.0, 200.0}) {
    CHECK(error(*fit, 1, 3, local) < 0.02);
    CHECK(error(*fit, 2, 4, local) < 0.02);
    CHECK(error(*fit, 4, 12, local) < 0.02);
  }
  CHECK(std::abs(gradient_time(*fit, 100) / gradient_time(kTrue, 100) - 1) < 0.01);
  // With noise of three per cent it is about as far off.
  RandomStream rng = stream(3, "tests/goodput");
  for (StepSample& s : samples) {
    s.gradient_s *= 1 + 0.06 * (uniform01(rng) - 0.5);
    s.iteration_s *= 1 + 0.06 * (uniform01(rng) - 0.5);
  }
  const auto noisy = fit_step_params(samples);
  REQUIRE(noisy);
  CHECK(error(*noisy, 1, 3, 100) < 0.05);
  CHECK(error(*noisy, 4, 12, 100) < 0.05);
}

TEST_CASE("goodput: what was not measured is believed to cost nothing", "[models][goodput]") {
  CHECK_FALSE(fit_step_params({}));
  const std::vector<StepSample> one{sample(1, 1, 64)};
  const auto fit = fit_step_params(one);
  REQUIRE(fit);
  CHECK(fit->alpha_c == Approx(one[0].gradient_s / 2));
  CHECK(gradient_time(*fit, 64) == Approx(one[0].gradient_s).epsilon(1e-3));
  CHECK(sync_time(*fit, 1, 4) < 1e-6);
  CHECK(sync_time(*fit, 2, 8) < 1e-6);
  const std::vector<StepSample> node{sample(1, 1, 64), sample(1, 1, 128), sample(1, 2, 64), sample(1, 2, 128)};
  const auto of_node = fit_step_params(node);
  REQUIRE(of_node);
  CHECK(of_node->alpha_n == Approx(1.1 * of_node->alpha_r));
  CHECK(of_node->beta_r < 1e-6);
  CHECK(error(*of_node, 1, 2, 96) < 0.02);
}

TEST_CASE("goodput: gradient noise from the norms of small and big batches", "[models][goodput]") {
  // With true |G|^2 = 4 and a covariance of trace 800 per sample, a mean over B samples has 4 + 800 / B.
  NoiseEstimator noise(0.9);
  CHECK_FALSE(noise.at(32));
  for (int i = 0; i < 3; ++i) noise.add(32, 4 + 800.0 / 32, 128, 4 + 800.0 / 128);
  CHECK(noise.at(32)->sqr == Approx(4));
  CHECK(noise.at(32)->var == Approx(25));
  NoiseEstimator upside_down;
  upside_down.add(32, 1, 128, 2);  // noise in the norms: clamped
  CHECK(upside_down.at(32)->var == 1e-6);
  CHECK(statistical_efficiency({1e-3, 1}, 1) == Approx(1));
  CHECK(statistical_efficiency({1e-3, 1}, 4) < 1);
}
