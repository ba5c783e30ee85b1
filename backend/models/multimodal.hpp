// The multimodal model: towers, fusion, objectives and heads as its ModelConfig says, over one ParameterSet. It turns
// a micro-batch into a loss; who asks for gradients and steps the optimiser is the trainer.
#pragma once

#include <memory>

#include "backend/models/backbone.hpp"
#include "backend/models/batch.hpp"
#include "backend/models/objectives.hpp"

namespace orrery::models {

// Sums over the samples of the batch, scalars; what the model does not compute is undefined. `total` is the weighted
// sum.
struct Losses {
  at::Tensor total, contrastive, masked_text, masked_image, head;
};

// Unit vectors for retrieval, [B, embedding]; undefined without that modality.
struct Embeddings {
  at::Tensor text, image, audio;
};

class MultimodalModel {
 public:
  // `config` is valid. The first values of all parameters depend on `seed` and their names only.
  MultimodalModel(const ModelConfig& config, std::uint64_t seed, at::Device device = at::kCPU);

  [[nodiscard]] const ModelConfig& config() const { return config_; }
  [[nodiscard]] ParameterSet& parameters() { return parameters_; }
  [[nodiscard]] const ParameterSet& parameters() const { return parameters_; }

  // The loss of a micro-batch. With bf16 the matrix products run in it (autocast), losses in fp32.
  [[nodiscard]] Losses loss(const Batch& batch, const Negatives& negatives = {}) const;

  // The same of a model without masked objectives, from what its backbone has made of the batch, here or elsewhere.
  [[nodiscard]] Losses loss(const CleanPass& pass, const Batch& batch, const Negatives& negatives = {}) const;
  [[nodiscard]] const Backbone& backbone() const { return backbone_; }

  // What the head reads: pooled features [B, d]. A probe computes them once per sample and trains on the cache.
  [[nodiscard]] at::Tensor head_features(const Batch& batch) const;
  [[nodiscard]] at::Tensor head_features(const CleanPass& pass) const;
  // [B, classes] fp32 of head_features.
  [[nodiscard]] at::Tensor logits(const at::Tensor& features) const;
  [[nodiscard]] Losses head_loss(const at::Tensor& features, const at::Tensor& label) const;

  // Needs the contrastive objective.
  [[nodiscard]] Embeddings embeddings(const Batch& batch) const;

 private:
  [[nodiscard]] Losses pretraining_loss(const Batch& batch, const Negatives& negatives) const;
  [[nodiscard]] at::Tensor contrastive(const CleanPass& t, const Negatives& negatives) const;
  [[nodiscard]] Embeddings project(const CleanPass& t) const;
  void build();

  ModelConfig config_;
  Passes passes_;
  ParameterSet parameters_;
  Backbone backbone_;
  TextFiller text_filler_;
  ImageFiller image_filler_;
  Linear to_text_, to_image_, to_audio_;  // into the contrastive space
  at::Tensor scale_;                      // ln of the inverse temperature
  Linear head_;
};

// A parameter of a head: it trains whatever the transfer method.
[[nodiscard]] bool is_head(std::string_view parameter);

}  // namespace orrery::models
