// A rank's step as the trainer runs it, against sums that can be done by hand; speeds fitted to measured work.
#include "sim/models/training/trainer_step.hpp"

#include <catch2/catch.hpp>

#include "sim/core/random.hpp"

namespace {
using namespace orrery;

Duration micros(std::int64_t n) {
  return Duration{n * 1000};
}

// Text forward 10, backward 20; contrastive forward 1, backward 2; data 3, optimiser 4; buckets of 2000 and 4000 B.
StepProgram small_model() {
  StepProgram p;
  p.phases = {{ModelPart::text, micros(10), micros(20), 0, 0}, {ModelPart::contrastive, micros(1), micros(2), 0, 0}};
  p.buckets = {{2000, 1, 1}, {4000, 0, 1}};
  p.data = micros(3);
  p.optimiser = micros(4);
  return p;
}

ModelConfig fused() {
  ModelConfig m;
  m.text = TextConfig{};
  m.image = ImageConfig{};
  m.fusion.kind = FusionKind::concatenation;
  m.objectives.contrastive = m.objectives.masked_text = m.objectives.masked_image = 1;
  return m;
}

TEST_CASE("a rank's step: micro-batches one after the other, buckets behind the last", "[models][step]") {
  StepProgram p = small_model();
  CHECK(trainer_step(p).run().total == micros(3 + 11 + 22 + 4));
  p.micro_batches = 3;
  CHECK(trainer_step(p).run().total == micros(3 * (3 + 11 + 22) + 4));
  // Two ranks, 1 us a hop, 1 GB/s: the loss's bucket is sent while the text tower goes back, the tower's is seen.
  p.micro_batches = 1;
  p.ranks = 2;
  p.hop_latency = micros(1);
  p.link_bytes_per_s = 1'000'000'000;
  CHECK(trainer_step(p).run().total == micros(3 + 11 + 22 + 2 + 4 + 4));
  // Copied by the cores that train: 2 us more for the hidden bucket, its latency stays hidden.
  p.device_moves_bytes = true;
  CHECK(trainer_step(p).run().total == micros(3 + 11 + 22 + 2 + 2 + 4 + 4));
  // Embeddings of both sides: gathered, 2 (1 us + 1 us); their gradients summed, 4 (1 us + 1 us).
  p = small_model();
  p.buckets.clear();
  p.ranks = 2;
  p.hop_latency = micros(1);
  p.link_bytes_per_s = 1'000'000'000;
  p.phases[1].exchanges = 2;
  p.phases[1].exchange_bytes = 1000;
  CHECK(trainer_step(p).run().total == micros(3 + 11 + 22 + 4 + 4 + 8));
}

TEST_CASE("a bucket is sent when its part of the backward pass is over", "[models][step]") {
  StepProgram p = small_model();
  p.ranks = 2;
  p.link_bytes_per_s = 1'000'000'000;
  // Full in the middle of the tower's pass, 20 kB sent in 20 us: half of it is hidden.
  p.buckets = {{20'000, 0, 0.5}};
  CHECK(trainer_step(p).run().total == micros(3 + 11 + 2 + 10 + 20 + 4));
}

TEST_CASE("the phases of a model are its passes, their work is the step's", "[models][step]") {
  const ModelCost cost = walk_cost(fused(), 3, 1, false);
  using P = ModelPart;
  const std::vector<P> expected{P::text,        P::image, P::contrastive, P::text,        P::fusion,
                                P::masked_text, P::image, P::fusion,      P::masked_image};
  std::vector<P> parts;
  DeviceWork forward, backward;
  for (const ModelPhase& p : cost.phases) {
    parts.push_back(p.part);
    forward += p.forward;
    backward += p.backward;
  }
  CHECK(parts == expected);
  CHECK(forward.flops + forward.attention_flops == cost.flops.forward);
  CHECK(backward.flops + backward.attention_flops == cost.flops.backward);
  CHECK(forward.calls > 0);
  CHECK(backward.values > forward.values);
}

TEST_CASE("gradient buckets go from the last parameter to the first", "[models][step]") {
  const ModelCost cost = walk_cost(fused(), 3, 1, false);
  for (const std::int64_t most : {std::int64_t{1}, std::int64_t{100'000}, std::int64_t{1} << 40}) {
    const auto buckets = gradient_buckets(cost, most);
    std::int64_t bytes = 0;
    for (const StepProgram::Bucket& b : buckets) bytes += b.bytes;
    CHECK(bytes == gradient_bytes(fused()));
    CHECK(buckets.back().phase == 0);  // the text tower's first pass is the last to add to a gradient
    CHECK(buckets.back().made == 1);
    if (most == 1) CHECK(buckets.size() == cost.pieces.size());
    if (most > bytes) CHECK(buckets.size() == 1);
  }
  // The contrastive heads are made last and go first, but only after all passes for holes.
  CHECK(gradient_buckets(cost, 1).front().phase == 2);
  // Cross-attention whose images have no holes: what fuses them last is not used, and holds everything up that is
  // sent with it.
  ModelConfig cross = fused();
  cross.fusion.kind = FusionKind::cross_attention;
  cross.objectives.masked_image = 0;
  std::int64_t unused = 0;
  for (const ParameterPiece& p : walk_cost(cross, 3, 1, false).pieces) unused += p.used ? 0 : p.values;
  const std::int64_t d = cross.fusion.stack.width, m = cross.fusion.stack.mlp;
  CHECK(unused == 2 * d + 6 * d + (4 + 2 * m) * d * d + (5 + m) * d);  // norm; norms, weights, biases of a block
  const auto late = gradient_buckets(walk_cost(cross, 3, 1, false), std::int64_t{1} << 40);
  CHECK(late.front().phase == 0);
  cross.objectives.masked_image = 1;
  for (const ParameterPiece& p : walk_cost(cross, 3, 1, false).pieces) CHECK(p.used);
}

TEST_CASE("speeds are found again in times made of them", "[models][step]") {
  const DeviceSpeed truth{1e-11, 4e-9, 3e-11, 2e-10, 5e-6};
  CHECK(truth.half_rows() == Approx(200));
  // 200 rows, 1000 weights: half of the speed.
  CHECK(truth.seconds({400'000, 1000, 0, 0, 0}) == Approx(2 * 400'000 / truth.max_flops_per_s()));
  RandomStream rng = stream(3, "tests/device-speed");
  const auto below = [&rng](std::uint64_t n) { return static_cast<std::int64_t>(uniform_below(rng, n)); };
  std::vector<TimedWork> measured;
  for (int i = 0; i < 40; ++i) {
    const DeviceWork w{below(1'000'000'000), below(3'000'000), below(400'000'000), below(50'000'000), below(2000)};
    measured.push_back({w, truth.seconds(w)});
  }
  const DeviceSpeed found = fit_speed(measured);
  CHECK(found.flop_s == Approx(truth.flop_s).epsilon(1e-4));
  CHECK(found.weight_s == Approx(truth.weight_s).epsilon(1e-4));
  CHECK(found.attention_flop_s == Approx(truth.attention_flop_s).epsilon(1e-4));
  CHECK(found.value_s == Approx(truth.value_s).epsilon(1e-4));
  CHECK(found.call_s == Approx(truth.call_s).epsilon(1e-4));
  // Nothing is negative, even where more work took less time; what was not measured costs nothing.
  const std::vector<TimedWork> odd{{{100, 0, 0, 10, 0}, 2}, {{200, 0, 0, 10, 0}, 1}};
  const DeviceSpeed clipped = fit_speed(odd);
  CHECK(clipped.flop_s >= 0);
  CHECK(clipped.value_s > 0);
  CHECK(clipped.weight_s == 0);
}

}  // namespace
