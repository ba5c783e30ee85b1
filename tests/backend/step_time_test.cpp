// The step simulator against steps that were measured: a device is calibrated on two models, then the step of others,
// with another fusion, other widths and accumulated gradients, is simulated from their configuration and compared.
#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>

#include "backend/trainer/adamw.hpp"
#include "backend/trainer/flat.hpp"
#include "sim/models/training_step.hpp"
#include "tests/backend/support_models.hpp"

// Last, since torch has a CHECK of its own.
#include <catch2/catch.hpp>

namespace {
using namespace orrery;

// Seconds of the parts of a step.
struct StepParts {
  double forward = 0, backward = 0, optimiser = 0;
  [[nodiscard]] double total() const { return forward + backward + optimiser; }
};

class TimedModel {
 public:
  TimedModel(const ModelConfig& config, std::int64_t batch, int micro_batches)
      : model_(config, 3), batch_(test::random_batch(config, batch, 4)), micro_batches_(micro_batches) {
    std::vector<trainer::Named> named;
    for (const models::Parameter& p : model_.parameters().all()) named.push_back({p.name, p.value});
    flat_ = std::make_unique<trainer::FlatParameters>(std::move(named));
    adam_ = std::make_unique<trainer::AdamW>(*flat_, trainer::OptimizerConfig{});
  }
  void step() {
    StepParts p;
    flat_->zero();
    for (int m = 0; m < micro_batches_; ++m) {
      const double began = now();
      const at::Tensor loss = model_.loss(batch_).total;
      const double middle = now();
      loss.backward();
      p.forward += middle - began;
      p.backward += now() - middle;
    }
    const double began = now();
    (void)adam_->step(step_++, 1000);
    p.optimiser = now() - began;
    steps_.push_back(p);
  }
  // Part by part the median of all steps but the first three.
  [[nodiscard]] StepParts median() const {
    const auto of = [this](double StepParts::*part) {
      std::vector<double> all;
      for (std::size_t i = 3; i < steps_.size(); ++i) all.push_back(steps_[i].*part);
      std::nth_element(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(all.size() / 2), all.end());
      return all[all.size() / 2];
    };
    return {of(&StepParts::forward), of(&StepParts::backward), of(&StepParts::optimiser)};
  }

 private:
  static double now() {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
  }
  models::MultimodalModel model_;
  models::Batch batch_;
  int micro_batches_;
  std::unique_ptr<trainer::FlatParameters> flat_;
  std::unique_ptr<trainer::AdamW> adam_;
  std::vector<StepParts> steps_;
  std::int64_t step_ = 0;
};

// Fixed seconds of a pass, and FLOPs per second beyond them.
struct Speed {
  double fixed_s = 0, flops_per_s = 1;
  static Speed through(double flops_a, double s_a, double flops_b, double s_b) {
    const double speed = std::max((flops_b - flops_a) / std::max(s_b - s_a, 1e-9), 1.0);
    return {std::max(0.0, s_a - flops_a / speed), speed};
  }
  [[nodiscard]] Duration of(double flops) const {
    return Duration{static_cast<std::int64_t>((fixed_s + flops / flops_per_s) * 1e9)};
  }
};

ModelConfig model_of(std::vector<std::string> modalities, FusionKind fusion, std::int64_t width,
                     std::int64_t layers) {
  ModelConfig m = test::small_model(modalities, fusion);
  const StackConfig stack{width, layers, 4, 4};
  if (m.text) m.text->length = 24, m.text->stack = stack;
  if (m.image) m.image = ImageConfig{32, 4, 3, stack};
  if (m.audio) m.audio = AudioConfig{32, 32, 4, 4, stack};
  m.fusion.stack = {width, 1, 4, 4};
  m.objectives = fusion == FusionKind::none ? ObjectiveConfig{1, 0, 0} : ObjectiveConfig{1, 1, 1};
  return m;
}

}  // namespace

TEST_CASE("simulated steps are those that were measured", "[torch][cost][steps]") {
  at::set_num_threads(1);
  constexpr std::int64_t kBatch = 8;
  struct Case {
    const char* name;
    ModelConfig model;
    int micro_batches = 1;
  };
  const std::array<Case, 5> cases{{
      {"calibration, small", model_of({"text", "image"}, FusionKind::none, 64, 2)},
      {"calibration, large", model_of({"text", "image"}, FusionKind::none, 192, 4)},
      {"wider, deeper, two accumulated", model_of({"text", "image"}, FusionKind::none, 128, 3), 2},
      {"concatenation", model_of({"text", "image"}, FusionKind::concatenation, 128, 2)},
      {"cross-modal attention, three modalities",
       model_of({"text", "image", "audio"}, FusionKind::cross_attention, 96, 2)},
  }};
  std::vector<std::unique_ptr<TimedModel>> measured;
  for (const Case& c : cases) measured.push_back(std::make_unique<TimedModel>(c.model, kBatch, c.micro_batches));
  for (int i = 0; i < 15; ++i)  // in turn, so that a slow moment of the machine hits all alike
    for (auto& m : measured) m->step();

  const auto flops = [&](std::size_t i) { return step_flops(cases[i].model, kBatch); };
  const StepParts small = measured[0]->median(), large = measured[1]->median();
  const auto number = [](std::int64_t x) { return static_cast<double>(x); };
  const Speed forward =
      Speed::through(number(flops(0).forward), small.forward, number(flops(1).forward), large.forward);
  const Speed backward =
      Speed::through(number(flops(0).backward), small.backward, number(flops(1).backward), large.backward);
  const Speed optimiser = Speed::through(number(parameter_count(cases[0].model).trainable), small.optimiser,
                                         number(parameter_count(cases[1].model).trainable), large.optimiser);
  for (std::size_t i = 2; i < cases.size(); ++i) {
    TrainingStepSpec spec;
    PartCost whole;
    whole.name = "towers and fusion";
    whole.forward = forward.of(number(flops(i).forward));
    whole.backward = backward.of(number(flops(i).backward));
    spec.fusion = whole;
    spec.fusion.bucket_bytes = {gradient_bytes(cases[i].model)};
    spec.micro_batches = cases[i].micro_batches;
    spec.optimiser = optimiser.of(number(parameter_count(cases[i].model).trainable));
    const double simulated = to_seconds(training_step(spec).run().total), real = measured[i]->median().total();
    std::printf("step time, %s: simulated %.1f ms, measured %.1f ms (%+.0f %%)\n", cases[i].name, simulated * 1e3,
                real * 1e3, (simulated / real - 1) * 100);
    INFO(cases[i].name);
    CHECK(simulated / real > 0.6);
    CHECK(simulated / real < 1.6);
  }
}
