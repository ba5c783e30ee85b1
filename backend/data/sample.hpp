// One sample of a data set, decoded: what its files in a shard (`key.ppm`, `key.txt`, `key.wav`, `key.cls`) say.
// Missing modalities are empty. Pixels and waveforms are as recorded; normalising, cropping and masking come later
// (preprocess.hpp), since they depend on the model and on the epoch.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace orrery::data {

struct Image {
  int width = 0, height = 0, channels = 0;  // channels 1 or 3
  std::vector<std::uint8_t> pixels;         // row by row, channels interleaved
  friend bool operator==(const Image&, const Image&) = default;
};

struct Waveform {
  int rate = 0;                // samples per second
  std::vector<float> samples;  // one channel, -1 to 1
  friend bool operator==(const Waveform&, const Waveform&) = default;
};

struct Sample {
  std::string key;
  Image image;
  std::string text;
  Waveform audio;
  std::int64_t label = -1;  // -1 = none
  [[nodiscard]] bool has_image() const { return image.width > 0; }
  [[nodiscard]] bool has_audio() const { return audio.rate > 0; }
};

}  // namespace orrery::data
