// A rank's step as the trainer runs it, against sums that can be done by hand; speeds fitted to measured work.
#include "sim/models/training/trainer_step.hpp"

#include <catch2/catch.hpp>

#include <vector>

#include "sim/core/random.hpp"
#include "sim/models/training/merged_step.hpp"

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

// --- merged gangs: the backbone once on all rows, the rest of each member by itself

MergedMember head_on_pictures(TransferMethod method, std::int64_t batch) {
  MergedMember m;
  m.model.image = ImageConfig{};
  m.model.head = HeadConfig{5, HeadInput::image};
  m.model.transfer = TransferConfig{method, 4, 8};
  m.batch = batch;
  return m;
}

// The speeds of docs/speed.md, of a core of the machine that they were measured on.
TrainerDevice one_core() {
  TrainerDevice d;
  const auto speed = [](double gflops, double half_rows, double attention, double gb, double us) {
    return DeviceSpeed{1 / (gflops * 1e9), gflops > 0 ? 2 * half_rows / (gflops * 1e9) : 0, 1 / (attention * 1e9),
                       4 / (gb * 1e9), us * 1e-6};
  };
  d.forward = speed(328.7, 243, 28.3, 4.30, 10.3);
  d.backward = speed(190.8, 96, 31.0, 6.84, 18.3);
  d.optimiser = {0, 0, 0, 4 / 14.29e9, 0};
  d.data = {0, 0, 0, 4 / 1.54e9, 6.8e-6};
  return d;
}

double alone_s(const MergedMember& m, const TrainerDevice& d) {
  const StepProgram p = step_program(m.model, m.batch, 1, 1, d);
  return to_seconds(trainer_step(p).run().total);
}

TEST_CASE("a merged step of one member is the job's own step", "[models][merged_step]") {
  for (const TransferMethod method : {TransferMethod::lora, TransferMethod::probe}) {
    const MergedMember m = head_on_pictures(method, 16);
    CHECK(merged_step_time({&m, 1}, one_core()).seconds() == Approx(alone_s(m, one_core())).epsilon(1e-4));
  }
}

// On a device that takes time for calls only, k members make the backbone's calls once. A block of the tower calls,
// forward: 4 maps, 2 norms, attention with what is beside it (3), gelu, 2 sums: 12; two of them, the last norm and
// three calls for the patches: 28. An update is two products: 2 x 4 x 2 = 16. The head calls 4.
TEST_CASE("of a merged step the backbone's calls are made once, the members' own by each", "[models][merged_step]") {
  TrainerDevice calls;
  calls.forward.call_s = 1;
  const MergedMember lora = head_on_pictures(TransferMethod::lora, 4);
  for (const std::size_t k : {1U, 2U, 5U}) {
    const std::vector<MergedMember> members(k, lora);
    const MergedStepTime t = merged_step_time(members, calls);
    CHECK(t.base_s == 28);
    CHECK(t.own_s == static_cast<double>(k) * (16 + 4));
  }
  // What is element-wise grows with the rows: nothing of it is saved.
  TrainerDevice values;
  values.forward.value_s = values.backward.value_s = 1;
  const std::vector<MergedMember> three(3, lora);
  CHECK(merged_step_time(three, values).seconds() ==
        Approx(3 * merged_step_time({&lora, 1}, values).seconds()).epsilon(1e-12));
  CHECK(merged_gamma(lora, values) == Approx(0).margin(1e-12));
}

TEST_CASE("the law of merged steps holds for alike members; small batches share more", "[models][merged_step]") {
  const TrainerDevice d = one_core();
  double before = 1;
  for (const std::int64_t batch : {2, 8, 32, 128}) {
    const MergedMember m = head_on_pictures(TransferMethod::lora, batch);
    const double alone = merged_step_time({&m, 1}, d).seconds(), gamma = merged_gamma(m, d);
    for (const std::size_t k : {2U, 4U, 8U}) {
      const std::vector<MergedMember> members(k, m);
      const double t = merged_step_time(members, d).seconds() / alone;
      CHECK(t == Approx(gamma + (1 - gamma) * static_cast<double>(k)).epsilon(1e-9));
    }
    CHECK(gamma > 0);
    CHECK(gamma < before);
    before = gamma;
  }
}

TEST_CASE("probes with known features ask nothing of the backbone; beside LoRA others go through it and back",
          "[models][merged_step]") {
  const TrainerDevice d = one_core();
  MergedMember known = head_on_pictures(TransferMethod::probe, 8);
  known.cached_features = true;
  const std::vector<MergedMember> two(2, known);
  CHECK(merged_step_time(two, d).base_s == 0);
  CHECK(merged_gamma(known, d) == Approx(0).margin(1e-12));
  const MergedMember lora = head_on_pictures(TransferMethod::lora, 8),
                     probe = head_on_pictures(TransferMethod::probe, 8);
  const std::vector<MergedMember> mixed{lora, probe}, probes{probe, probe};
  // Both share one forward pass; beside LoRA the probe's rows are in its backward pass as well.
  CHECK(merged_step_time(mixed, d).base_s > merged_step_time(probes, d).base_s);
  CHECK(merged_step_time(mixed, d).base_s ==
        Approx(merged_step_time(std::vector<MergedMember>{lora, lora}, d).base_s).epsilon(1e-12));
}

}  // namespace
