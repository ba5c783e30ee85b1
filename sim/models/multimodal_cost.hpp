// One walk through a model's layers, as the trainer builds and runs them, that adds up parameters, FLOPs and what the
// autograd graph keeps. It knows which values need gradients: a frozen layer costs no weight gradient, and nothing
// before the first trained one costs any backward pass. Behind the functions of multimodal_model.hpp.
#pragma once

#include "sim/models/multimodal_model.hpp"

namespace orrery {

struct ModelCost {
  ParameterCount parameters;
  StepFlops flops;
  std::int64_t kept_bytes = 0;
};

[[nodiscard]] ModelCost walk_cost(const ModelConfig& model, std::int64_t batch, std::int64_t world,
                                  bool cached_features);

}  // namespace orrery
