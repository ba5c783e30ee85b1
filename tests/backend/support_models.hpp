// Small models and batches of random numbers for tests of backend/models.
#pragma once

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include <string>
#include <vector>

#include "backend/models/multimodal.hpp"

namespace orrery::test {

inline const StackConfig kSmall{32, 2, 4, 2};

// Towers as named ("text", "image", "audio"), all small.
inline ModelConfig small_model(const std::vector<std::string>& modalities, FusionKind fusion = FusionKind::none) {
  ModelConfig m;
  for (const std::string& name : modalities) {
    if (name == "text") m.text = TextConfig{50, 12, kSmall};
    if (name == "image") m.image = ImageConfig{16, 4, 3, kSmall};
    if (name == "audio") m.audio = AudioConfig{16, 8, 4, 4, kSmall};
  }
  m.fusion = {fusion, {48, 2, 4, 2}};
  m.embedding = 24;
  m.objectives.text_ratio = 0.25;
  return m;
}

// Texts of different lengths; masks as the preprocessor makes them.
inline models::Batch random_batch(const ModelConfig& m, std::int64_t size, std::uint64_t seed) {
  auto g = at::detail::createCPUGenerator(seed);
  models::Batch b;
  const auto floats = at::TensorOptions().dtype(at::kFloat);
  if (m.text) {
    const std::int64_t length = m.text->length;
    const at::Tensor ends = at::randint(4, length + 1, {size, 1}, g);
    b.text_valid = at::arange(length).unsqueeze(0) < ends;
    b.tokens = at::randint(3, m.text->vocabulary, {size, length}, g).masked_fill(b.text_valid.logical_not(), 0);
    const std::int64_t holes = masked_count(length, m.objectives.text_ratio);
    b.text_positions = at::rand({size, 3}, g).argsort(1, false).narrow(1, 0, std::min<std::int64_t>(holes, 3)) + 1;
    b.text_targets = b.tokens.gather(1, b.text_positions);
    b.text_weights = at::rand(b.text_positions.sizes(), g, floats);
    b.text_weights = b.text_weights / b.text_weights.sum(1, true);
    b.masked_tokens = b.tokens.scatter(1, b.text_positions, 2);
  }
  if (m.image) {
    b.image = at::randn({size, m.image->channels, m.image->size, m.image->size}, g, floats);
    const std::int64_t holes = masked_count(m.image->tokens(), m.objectives.image_ratio);
    b.image_positions = at::rand({size, m.image->tokens()}, g).argsort(1, false).narrow(1, 0, holes).contiguous();
  }
  if (m.audio) b.audio = at::randn({size, m.audio->mels, m.audio->frames}, g, floats);
  b.label = at::randint(0, m.head ? m.head->classes : 2, {size}, g);
  return b;
}

}  // namespace orrery::test
