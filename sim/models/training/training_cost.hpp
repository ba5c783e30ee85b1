// What a training job of a live family takes on a cluster, from its model's configuration: the matrix products of a
// step (step_flops) over a device's peak at an assumed utilisation, the gradients' all-reduce by the alpha-beta
// model, and what a GPU's memory must hold. Generated workloads are timed with it; nothing here is called in the
// event path.
#pragma once

#include <cstdint>
#include <string>

#include "sim/models/training/multimodal_model.hpp"

namespace orrery {

// One GPU of a node, and its links. A bandwidth of 0 is not known and costs nothing.
struct TrainingDevice {
  double peak_flops = 0;    // per second, at the precision that is trained in
  double memory_bytes = 0;  // 0 = not known, everything fits
  int gpus_per_node = 1;
  double nvlink_bytes_per_s = 0;  // of one GPU, one direction
  double nic_bytes_per_s = 0;     // of the node; its GPUs share it
};
// Eight H200 (dense bf16, 141 GB) on NVLink 4 and one port of 400 Gb/s: what `orrery trace gen` takes.
inline constexpr TrainingDevice kH200Node{989e12, 141e9, 8, 900e9, 50e9};

// Data-parallel training: every GPU has the whole model, gradients are summed after each step.
struct TrainingRun {
  ModelConfig model;
  std::int64_t global_batch = 1;  // samples of a step, over all GPUs
  std::int64_t micro_batch = 0;   // most samples of a GPU in one forward; 0 = all at once
  std::int64_t steps = 1;
  std::int64_t samples = 0;  // of the data set; a probe's features are computed once for each of them
  double utilisation = 0.4;  // of the peak, of what matrix products take (PaLM's MFU without communication)
};

// Bytes of what a probe of a head keeps of its data set: of each sample its features, fp32, and its label, 8 bytes. 0
// of any other job.
[[nodiscard]] std::int64_t feature_bytes(const TrainingRun& run);

struct TrainingCost {
  double compute_s = 0;                   // of a step, forward and backward, on each GPU
  double launch_s = 0;                    // of that: calling operators, whatever the samples
  double communication_s = 0;             // of a step: the all-reduce, none of it hidden behind the backward pass
  double once_s = 0;                      // before the first step: a probe's features
  double step_flops = 0, once_flops = 0;  // of all GPUs together
  double state_bytes = 0;                 // per GPU: parameters, gradients, optimiser
  double activation_bytes = 0;            // per GPU, of a micro-batch
  [[nodiscard]] double step_s() const { return compute_s + communication_s; }
  [[nodiscard]] double total_s(double steps) const { return once_s + steps * step_s(); }
  [[nodiscard]] double total_flops(double steps) const { return once_flops + steps * step_flops; }
};

// A micro-batch takes 1 ms of launches and flops / (utilisation peak); the all-reduce is hierarchical where the
// GPUs fill more than one node, with 5 us a hop inside a node and 10 us between nodes. Preconditions: gpus >= 1, the
// device has a peak, and why_too_large() is silent.
[[nodiscard]] TrainingCost training_cost(const TrainingRun& run, int gpus, const TrainingDevice& device);

// A job whose operations 64 bits do not count, or that walking layer by layer would take long; empty when it is none.
[[nodiscard]] std::string why_too_large(const TrainingRun& run);

// Whether the child's towers are the parent's, so that it can start from its checkpoint: every modality (and the
// fusion) that the child uses, in the same shape. One sentence on the first that is not; empty when all are.
[[nodiscard]] std::string why_no_child(const ModelConfig& parent, const ModelConfig& child);

// Whether two configurations are one architecture at two sizes: the same towers, kind of fusion, objectives, head and
// way of transfer. One sentence on what differs; empty when nothing does.
[[nodiscard]] std::string why_other_architecture(const ModelConfig& one, const ModelConfig& other);

}  // namespace orrery
