// What training costs on a cluster, against the sums written out.
#include <catch2/catch.hpp>

#include "sim/models/network/collectives.hpp"
#include "sim/models/training/training_cost.hpp"

using namespace orrery;

namespace {

TrainingRun masked() {
  TrainingRun run;
  run.model.image = ImageConfig{};
  run.model.objectives.masked_image = 1;
  run.global_batch = 96;
  run.utilisation = 0.5;
  return run;
}

TEST_CASE("training cost: operations over speed, launches, and a ring", "[models][training_cost]") {
  TrainingRun run = masked();
  const TrainingDevice d{100e12, 0, 8, 400e9, 50e9};
  const auto flops = [&run](std::int64_t batch) {
    return static_cast<double>(step_flops(run.model, batch, 4).total());
  };
  // 24 samples on each of four GPUs, at once.
  TrainingCost c = training_cost(run, 4, d);
  CHECK(c.compute_s == Approx(1e-3 + flops(24) / (0.5 * 100e12)));
  CHECK(c.step_flops == Approx(4 * flops(24)));
  const auto gradients = static_cast<double>(gradient_bytes(run.model));
  CHECK(c.communication_s == Approx(ring_all_reduce_s(4, gradients, {5e-6, 400e9})));
  CHECK(c.total_s(10) == Approx(10 * (c.compute_s + c.communication_s)));
  CHECK(c.once_s == 0);
  // In micro-batches of 10, 10 and 4.
  run.micro_batch = 10;
  c = training_cost(run, 4, d);
  CHECK(c.compute_s == Approx(3e-3 + (2 * flops(10) + flops(4)) / (0.5 * 100e12)));
  CHECK(c.activation_bytes == static_cast<double>(step_memory(run.model, 10, 4).activations));
  // On two nodes, each GPU with an eighth of its node's network.
  run.micro_batch = 0;
  c = training_cost(run, 16, d);
  CHECK(c.communication_s == Approx(hierarchical_all_reduce_s(8, 2, gradients, {5e-6, 400e9}, {10e-6, 50e9 / 8})));
  // On one GPU nothing is sent; links of unknown speed only have latencies.
  CHECK(training_cost(run, 1, d).communication_s == 0);
  CHECK(training_cost(run, 4, {100e12, 0, 8, 0, 0}).communication_s == Approx(6 * 5e-6));
}

TEST_CASE("training cost: a probe computes each sample's features once", "[models][training_cost]") {
  TrainingRun run;
  run.model.image = ImageConfig{};
  run.model.head = HeadConfig{};
  run.model.transfer = TransferConfig{TransferMethod::probe, 4, 8};
  run.global_batch = 32;
  run.samples = 1000;
  run.utilisation = 0.25;
  const TrainingCost c = training_cost(run, 2, {1e12, 0, 8, 0, 0});
  const double features = 1000.0 * static_cast<double>(step_flops(run.model, 1).forward);
  CHECK(c.once_flops == Approx(features));
  CHECK(c.once_s == Approx(features / 2 / 0.25e12));
  CHECK(c.step_flops == Approx(2.0 * static_cast<double>(step_flops(run.model, 16, 2, true).total())));
  CHECK(c.total_s(0) == c.once_s);
  CHECK(c.total_flops(3) == Approx(c.once_flops + 3 * c.step_flops));
}

TEST_CASE("training cost: what is too large to count is told", "[models][training_cost]") {
  TrainingRun run = masked();
  CHECK(why_too_large(run).empty());
  run.global_batch = 10'000'000;
  CHECK(why_too_large(run).empty());
  run.model.image->stack = {16384, 512, 16, 16};
  CHECK(why_too_large(run).find("a smaller `micro_batch`") != std::string::npos);
  run.micro_batch = 8;
  CHECK(why_too_large(run).empty());
  CHECK(step_flops(run.model, 8).total() > 0);
  run.model.image->stack.width = 16400;
  CHECK(why_too_large(run).find("image: at most a width of 16384") != std::string::npos);
  run = masked();
  run.model.image->size = 8000;
  CHECK(why_too_large(run).find("tokens of one modality") != std::string::npos);
}

TEST_CASE("training cost: what can start from what", "[models][training_cost]") {
  ModelConfig parent = masked().model, child = parent;
  child.objectives = {};
  child.head = HeadConfig{};
  CHECK(why_no_child(parent, child).empty());
  CHECK(why_other_architecture(parent, child) == "it has other objectives");
  child.image->stack.layers = 3;
  CHECK(why_no_child(parent, child) == "its image tower has another shape than the parent's");
  child.image.reset();
  child.audio = AudioConfig{};
  child.head->input = HeadInput::audio;
  CHECK(why_no_child(parent, child) == "the parent has no audio tower");
  ModelConfig grown = parent;
  grown.image->stack = {1024, 24, 16, 4};
  CHECK(why_other_architecture(parent, grown).empty());
  grown.text = TextConfig{};
  CHECK(why_other_architecture(parent, grown) == "it has other towers");
}

}  // namespace
