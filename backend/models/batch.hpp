// One micro-batch as tensors, on the model's device. Made by the trainer from samples of backend/data; which fields
// are defined depends on the model's modalities and objectives. Masks are drawn per sample index, never per rank, so
// two ranks of b samples see what one rank of 2 b sees.
#pragma once

#include <ATen/ATen.h>

namespace orrery::models {

struct Batch {
  at::Tensor tokens;      // [B, L] int64
  at::Tensor text_valid;  // [B, L] bool: not padding; the first is always true
  at::Tensor image;       // [B, C, S, S] fp32, normalised
  at::Tensor audio;       // [B, mels, frames] fp32, normalised log-mel
  at::Tensor label;       // [B] int64

  // Masked language modelling: K positions a sample, some of weight 0 when the text is short; the weights of a sample
  // add up to 1.
  at::Tensor masked_tokens;   // [B, L] int64: tokens with holes
  at::Tensor text_positions;  // [B, K] int64
  at::Tensor text_targets;    // [B, K] int64: the tokens that stood there
  at::Tensor text_weights;    // [B, K] fp32

  at::Tensor image_positions;  // [B, K] int64: the patches that are masked, each once

  [[nodiscard]] std::int64_t size() const {
    for (const at::Tensor* t : {&tokens, &image, &audio, &label})
      if (t->defined()) return t->size(0);
    return 0;
  }
};

}  // namespace orrery::models
