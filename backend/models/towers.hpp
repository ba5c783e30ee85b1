// The towers: text, image and audio into token features, [B, tokens, width]. Images and log-mel pictures are cut into
// patches, each mapped by one linear map (Dosovitskiy et al. 2020); masked patches are replaced by a learnt vector
// (Xie et al. 2021). Every tower adds learnt positions and ends in a norm.
#pragma once

#include "backend/models/layers.hpp"

namespace orrery::models {

// Tokens of one modality and which of them count (undefined = all).
struct Features {
  at::Tensor tokens;  // [B, L, d]
  at::Tensor valid;   // [B, L] bool
};

struct TextTower {
  at::Tensor embedding;  // [vocabulary, d]
  at::Tensor position;   // [length, d]
  Stack stack;
  [[nodiscard]] Features operator()(const at::Tensor& tokens, const at::Tensor& valid) const;
};
[[nodiscard]] TextTower make_text_tower(Builder& b, const TextConfig& config);

// Images and audio alike.
struct PatchTower {
  Linear patch;
  at::Tensor position;  // [tokens, d]
  at::Tensor hole;      // [d]: what a masked patch becomes; undefined when nothing is masked
  Stack stack;
  // patches [B, tokens, values]; `holes` [B, K]: positions to mask, or undefined.
  [[nodiscard]] Features operator()(const at::Tensor& patches, const at::Tensor& holes = {}) const;
};
[[nodiscard]] PatchTower make_image_tower(Builder& b, const ImageConfig& config, bool masks);
[[nodiscard]] PatchTower make_audio_tower(Builder& b, const AudioConfig& config);

// [B, C, S, S] -> [B, (S / p)^2, C p p], patches row by row, values by channel, row, column.
[[nodiscard]] at::Tensor image_patches(const at::Tensor& image, const ImageConfig& config);
// [B, mels, frames] -> [B, tokens, patch_mels * patch_frames]
[[nodiscard]] at::Tensor audio_patches(const at::Tensor& audio, const AudioConfig& config);

}  // namespace orrery::models
