// Pretraining objectives as functions of features. Each is a sum over the samples of a micro-batch of something that
// is defined per sample (the contrastive one: per sample against the negatives of all ranks). Divided by the global
// batch, the parts of micro-batches and ranks add up to the mean over it, however it was cut.
#pragma once

#include <functional>

#include "backend/models/batch.hpp"
#include "backend/models/layers.hpp"

namespace orrery::models {

// The other ranks, as the contrastive objective needs them: `all` turns this rank's rows [n, e] into everybody's, in
// the order of ranks, with gradients that flow back to their owners; this rank's begin at row `first`. Empty = alone.
struct Negatives {
  std::function<at::Tensor(const at::Tensor& own)> all;
  std::int64_t first = 0;
};

// The rows `positions` [B, K] of x [B, L, d]: [B, K, d].
[[nodiscard]] at::Tensor rows_at(const at::Tensor& x, const at::Tensor& positions);

// Masked language modelling (Devlin et al. 2018): dense, gelu, norm, then a decoder tied to the token embedding.
struct TextFiller {
  Linear dense;
  Norm norm;
  at::Tensor bias;  // [vocabulary]
  // features [B, L, width] of the text with holes; the loss, a scalar.
  [[nodiscard]] at::Tensor loss(const at::Tensor& features, const Batch& batch, const at::Tensor& embedding) const;
};
[[nodiscard]] TextFiller make_text_filler(Builder& b, std::int64_t width, const TextConfig& text);

// Masked image modelling: the pixels of masked patches by one linear map, mean squared error.
struct ImageFiller {
  Linear out;
  // features [B, N, width] of the image with holes, patches [B, N, values] of the whole one.
  [[nodiscard]] at::Tensor loss(const at::Tensor& features, const at::Tensor& patches, const Batch& batch) const;
};
[[nodiscard]] ImageFiller make_image_filler(Builder& b, std::int64_t width, const ImageConfig& image);

// Symmetric contrastive loss (Radford et al. 2021) of paired rows a, b [B, e]: unit vectors, similarities times
// exp(scale), the partner against all rows of all ranks.
[[nodiscard]] at::Tensor contrastive_loss(const at::Tensor& a, const at::Tensor& b, const at::Tensor& scale,
                                          const Negatives& negatives);

// Rows to length 1.
[[nodiscard]] at::Tensor unit(const at::Tensor& x);

}  // namespace orrery::models
