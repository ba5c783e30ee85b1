#include "sim/models/training/memory.hpp"

namespace orrery {

double model_state_bytes(double parameters, Sharding sharding, int ranks) {
  constexpr double kWeights = 2, kGradients = 2, kOptimiser = 12;
  const double n = ranks;
  switch (sharding) {
    case Sharding::none: return parameters * (kWeights + kGradients + kOptimiser);
    case Sharding::zero1: return parameters * (kWeights + kGradients + kOptimiser / n);
    case Sharding::zero2: return parameters * (kWeights + (kGradients + kOptimiser) / n);
    case Sharding::zero3: return parameters * (kWeights + kGradients + kOptimiser) / n;
  }
  return 0;
}

double megatron_state_bytes(double parameters, int data_parallel) {
  return parameters * (6 + 12.0 / data_parallel);
}

double adapter_state_bytes(double frozen, double trained, bool four_bit) {
  return frozen * (four_bit ? 0.55 : 2) + 16 * trained;
}

double layer_activation_bytes(const LayerShape& shape, Recompute recompute, int tensor_parallel) {
  const double unit = shape.sequence * shape.batch * shape.width / tensor_parallel;
  switch (recompute) {
    case Recompute::none: return unit * (34 + 5 * shape.heads * shape.sequence / shape.width);
    case Recompute::attention: return 34 * unit;
    case Recompute::all: return 2 * unit;
  }
  return 0;
}

double contrastive_logit_bytes(double global_batch, double rows) {
  return 4 * rows * global_batch;
}

bool fits_memory(double state_bytes, double activation_bytes, double memory_bytes) {
  return (state_bytes + activation_bytes) * kFragmentation + kReservedBytes <= memory_bytes;
}

}  // namespace orrery
