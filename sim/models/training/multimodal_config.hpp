// ModelConfig as JSON, the one spelling of the trainer's configuration and (through YAML) of scenario files:
//   {"text":  {"vocabulary": 400, "length": 24, "width": 64, "layers": 2, "heads": 4, "mlp": 4},
//    "image": {"size": 32, "patch": 8, "channels": 3, "width": 64, ...},
//    "audio": {"mels": 32, "frames": 32, "patch_mels": 8, "patch_frames": 8, "width": 64, ...},
//    "fusion": {"kind": "none|concatenation|gated|cross_attention", "width": 64, "layers": 1, ...},
//    "embedding": 64, "precision": "fp32|bf16",
//    "objectives": {"contrastive": 1, "masked_text": 0, "masked_image": 0, "text_ratio": 0.15, "image_ratio": 0.5},
//    "head": {"classes": 5, "input": "text|image|audio|fused"},
//    "transfer": {"method": "full|lora|probe", "rank": 4, "alpha": 8}}
// All keys are optional; a missing modality is not there. `preset: tiny|small|base` fills in all sizes first.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "sim/core/error.hpp"
#include "sim/models/training/multimodal_model.hpp"

namespace orrery {

// Every wrong key or value is a diagnostic that names its path ("model.text.heads"); `path` is the prefix. Also fails
// when why_invalid() has something to say.
[[nodiscard]] Expected<ModelConfig> read_model_config(const nlohmann::json& json, const std::string& path = "model");

// With every key, in a fixed order; read_model_config gives back the same.
[[nodiscard]] nlohmann::ordered_json to_json(const ModelConfig& model);

}  // namespace orrery
