// One walk through a model's layers, as the trainer builds and runs them, that adds up parameters, FLOPs and what the
// autograd graph keeps. It knows which values need gradients: a frozen layer costs no weight gradient, and nothing
// before the first trained one costs any backward pass. Behind the functions of multimodal_model.hpp.
#pragma once

#include <array>
#include <vector>

#include "sim/models/training/device_speed.hpp"
#include "sim/models/training/multimodal_model.hpp"

namespace orrery {

// What the trainer's model calls its parts; a pass of a part is a phase.
enum class ModelPart : std::uint8_t { text, image, audio, fusion, masked_text, masked_image, contrastive, head };
inline constexpr std::array<const char*, 8> kPartNames{"text",        "image",        "audio",       "fusion",
                                                       "masked_text", "masked_image", "contrastive", "head"};
[[nodiscard]] constexpr const char* name_of(ModelPart part) {
  return kPartNames[static_cast<std::size_t>(part)];
}

// One pass of a part, in the order in which a micro-batch's forward pass runs them; backward goes the other way.
// Towers run again for an objective that fills holes, the fusion once for each of them.
struct ModelPhase {
  ModelPart part{};
  DeviceWork forward, backward;
  // Of that, the low-rank updates: what jobs that share the rest still do each for itself (merged_step.hpp).
  DeviceWork own_forward{}, own_backward{};
};

// Neighbouring parameters of a part, in the order in which the model makes them; trainable ones only. Not used: the
// loss does not hang on them (fused tokens that nothing fills), so no backward pass makes their gradient.
struct ParameterPiece {
  ModelPart part{};
  std::int64_t values = 0;
  bool used = true;
};

struct ModelCost {
  ParameterCount parameters;
  StepFlops flops;
  std::int64_t kept_bytes = 0;
  std::vector<ModelPhase> phases{};
  std::vector<ParameterPiece> pieces{};
};

[[nodiscard]] ModelCost walk_cost(const ModelConfig& model, std::int64_t batch, std::int64_t world,
                                  bool cached_features);

}  // namespace orrery
