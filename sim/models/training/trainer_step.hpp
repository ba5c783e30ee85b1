// One optimiser step of `orrery-trainer` on one of its ranks, as a graph built from a model's configuration and the
// measured speeds of a device: per micro-batch its data, then phase by phase the towers, fusion and losses forward,
// and backwards the same in reverse; gradients are all-reduced bucket by bucket in one fixed order, each once its
// last parameter's gradient is complete (the first pass of a tower is the last to add to it); then the optimiser.
// All ranks are alike, so one is built. Devices that do several towers at once are training_step.hpp's.
#pragma once

#include <vector>

#include "sim/models/network/collectives.hpp"
#include "sim/models/training/device_speed.hpp"
#include "sim/models/training/multimodal_cost.hpp"
#include "sim/models/training/step_graph.hpp"

namespace orrery {

struct StepProgram {
  struct Phase {
    ModelPart part{};
    Duration forward{}, backward{};   // of one micro-batch
    int exchanges = 0;                // with other ranks, which it waits for; gathered forward, summed backward
    std::int64_t exchange_bytes = 0;  // that each of them brings from every other rank
  };
  struct Bucket {
    std::int64_t bytes = 0;
    std::uint32_t phase = 0;  // in whose backward pass of the last micro-batch it becomes full
    double made = 1;          // how much of that pass is over by then, above 0 to 1
  };
  std::vector<Phase> phases;    // in the order of the forward pass
  std::vector<Bucket> buckets;  // in the order in which they are sent
  int micro_batches = 1;
  Duration data{};       // of one micro-batch
  Duration optimiser{};  // with the zeroing before

  int ranks = 1;
  Duration hop_latency{};                      // of each of a ring's 2 (n - 1) steps
  std::int64_t link_bytes_per_s = kUnlimited;  // of each rank, each direction
  // Who moves the bytes of a bucket: an engine of its own while the device computes, or (ranks that have no core to
  // spare, where sockets are copied by the cores that train) the device itself, so that only the latency is hidden.
  bool device_moves_bytes = false;
};
// Resource 0 is the device. Operations: `part` is the phase, phases.size() for data and optimiser.
[[nodiscard]] StepGraph trainer_step(const StepProgram& program);

// Measured speeds of one rank's device.
struct TrainerDevice {
  DeviceSpeed forward, backward, data, optimiser;
  HopCost link;  // between ranks
  bool moves_bytes = false;
  // Ranks wait for each other: the slowest of them, of every step anew, over the typical one. More than 1 rank only.
  double slowest_rank = 1;
};
// What a step does besides the model: collating the inputs of `batch` samples and taking the graph of `cost` down (an
// operator each); zeroing gradients, their norm,
// clipping and AdamW over `trained` values in `tensors` tensors. The latter reads or writes each of them 11 times: 1
// to zero, 1 for the norm, 2 to clip, 7 to update (parameter, gradient, two moments in, all but the gradient out).
[[nodiscard]] DeviceWork data_work(const ModelConfig& model, const ModelCost& cost, std::int64_t batch);
[[nodiscard]] DeviceWork optimiser_work(std::int64_t trained, std::int64_t tensors);

// The buckets into which the trainer cuts the gradients: parameters from the last made to the first, as many as are
// `most_bytes` together, at least one. A bucket with a parameter that is not used is full when backward is over.
[[nodiscard]] std::vector<StepProgram::Bucket> gradient_buckets(const ModelCost& cost, std::int64_t most_bytes);

// `batch` samples of a rank in each micro-batch.
[[nodiscard]] StepProgram step_program(const ModelConfig& model, std::int64_t batch, int micro_batches, int ranks,
                                       const TrainerDevice& device, std::int64_t bucket_bytes = 2 << 20);

}  // namespace orrery
