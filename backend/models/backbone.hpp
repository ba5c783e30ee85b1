// What jobs that start from one pretrained model have in common: its towers and the fusion. A MultimodalModel has
// one; the trunk of a merged gang (merged.hpp) is one that several models go through at once.
#pragma once

#include <string_view>

#include "backend/models/batch.hpp"
#include "backend/models/fusion.hpp"
#include "backend/models/towers.hpp"

namespace orrery::models {

// What the towers, and the fusion where the model reads it, make of whole inputs (without masks), each at most once.
struct CleanPass {
  Features text, image, audio;  // undefined without that tower
  at::Tensor fused;             // [B, width]: the fusion's pooled features
};

struct Backbone {
  ModelConfig config;
  // Which parts are built.
  bool has_text = false, has_image = false, has_audio = false, has_fusion = false;
  TextTower text;
  PatchTower image, audio;
  Fusion fusion;

  Backbone() = default;
  // The parts that `passes` runs.
  Backbone(Builder& b, const ModelConfig& model, const Passes& passes);

  [[nodiscard]] Features text_features(const at::Tensor& tokens, const at::Tensor& valid) const;
  [[nodiscard]] Features image_features(const at::Tensor& patches, const at::Tensor& holes = {}) const;
  [[nodiscard]] Features audio_features(const at::Tensor& audio_input) const;
  // `only` points at the tokens in `t` whose modality is wanted; without it the pooled features are made as well.
  [[nodiscard]] Fused fuse(const CleanPass& t, const at::Tensor* only = nullptr) const;
  // All towers; the fusion is the caller's.
  [[nodiscard]] CleanPass towers(const Batch& batch) const;
};

// The part of a backbone that a parameter belongs to: "text", "image", "audio", "fusion"; empty: of a head.
[[nodiscard]] std::string_view part_of(std::string_view parameter);

// The linear maps inside blocks, those that take part in LoRA, in one fixed order.
[[nodiscard]] std::vector<Linear*> block_maps(Stack& stack);
[[nodiscard]] std::vector<Linear*> block_maps(Fusion& fusion);

}  // namespace orrery::models
