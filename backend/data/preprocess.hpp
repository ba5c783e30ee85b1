// From decoded samples to the numbers a model reads: pixels resized and normalised, text as ids, sound as log-mel,
// and what pretraining hides (masked tokens and patches). Everything random about a sample is drawn from (seed,
// position in the stream), so neither ranks nor restarts change what a model sees.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "backend/data/log_mel.hpp"
#include "backend/data/sample.hpp"
#include "backend/data/tokenizer.hpp"
#include "sim/core/error.hpp"
#include "sim/models/training/multimodal_model.hpp"

namespace orrery::data {

// A sample as a model reads it; what the model does not use is empty.
struct Prepared {
  std::vector<float> image;          // [C * S * S], -1 to 1
  std::vector<std::int32_t> tokens;  // [L]
  std::vector<float> audio;          // [mels * frames]
  std::int64_t label = -1;
  std::vector<std::int32_t> masked_tokens;    // [L]
  std::vector<std::int32_t> text_positions;   // [K]
  std::vector<float> text_weights;            // [K], adding up to 1
  std::vector<std::int32_t> image_positions;  // [K]
};

struct PreprocessOptions {
  ModelConfig model;
  Passes use;            // which modalities are wanted
  bool augment = false;  // shift by up to an eighth of the side, brightness and contrast; never mirrored, since
                         // captions speak of left and right
  bool label = false;    // a sample without one is an error
  std::uint64_t seed = 1;
};

// Two masked tokens of ten keep their word or get a random one, as BERT has it.
class Preprocessor {
 public:
  Preprocessor(PreprocessOptions options, Tokenizer tokenizer);
  // Fails when the sample lacks what the model needs.
  [[nodiscard]] Expected<Prepared> operator()(const Sample& sample, std::uint64_t position) const;

 private:
  [[nodiscard]] std::vector<float> picture(const Image& image, std::uint64_t position) const;
  void hide_text(Prepared& p, std::uint64_t position) const;

  PreprocessOptions options_;
  Tokenizer tokenizer_;
  mutable std::optional<LogMel> mel_;
  mutable int mel_rate_ = 0;
};

// Bilinear, corners not aligned (pixel centres at half-integers), edges repeated; shifted by (dx, dy) pixels of the
// result. [channels * size * size] in 0 to 255, by channel.
[[nodiscard]] std::vector<float> resized(const Image& image, int size, int channels, double dx = 0, double dy = 0);

// k different numbers below n, in ascending order, drawn from `key`.
[[nodiscard]] std::vector<std::int32_t> choose(std::int64_t n, std::int64_t k, std::uint64_t key);

}  // namespace orrery::data
