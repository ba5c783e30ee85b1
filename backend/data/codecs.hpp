// Files of samples to pixels and waveforms, and back. Raw pixels, PPM (P5, P6) and WAV (8 to 32 bit and float PCM)
// are always here, by our own hands; JPEG and PNG where the build found their libraries (ORRERY_JPEG, ORRERY_PNG). A
// file that cannot be read is an error in one sentence; the loader counts it and goes on.
#pragma once

#include <string>
#include <string_view>

#include "backend/data/sample.hpp"
#include "sim/core/error.hpp"

namespace orrery::data {

inline constexpr int kMaxImageSide = 16384;

// By what the bytes say, not by a file name.
[[nodiscard]] Expected<Image> decode_image(std::string_view bytes);
[[nodiscard]] Expected<Image> decode_ppm(std::string_view bytes);

// What all `.raw` files of a data set are: bytes of 0 to 255, row by row, channels interleaved, and nothing else. The
// set says it once, in raw.json: {"width": 32, "height": 32, "channels": 3}.
struct RawShape {
  int width = 0, height = 0, channels = 0;  // channels 1 or 3; all 0 = the set says nothing
};
[[nodiscard]] Expected<Image> decode_raw(std::string_view bytes, const RawShape& shape);
// `file` names it in the error.
[[nodiscard]] Expected<RawShape> raw_shape_from_json(const std::string& file, std::string_view text);
[[nodiscard]] std::string encode_ppm(const Image& image);
// Errors that say so when the build has no such library.
[[nodiscard]] Expected<Image> decode_jpeg(std::string_view bytes);
[[nodiscard]] Expected<Image> decode_png(std::string_view bytes);

// Channels are averaged into one.
[[nodiscard]] Expected<Waveform> decode_wav(std::string_view bytes);
// 16 bit PCM, one channel.
[[nodiscard]] std::string encode_wav(const Waveform& wave);

}  // namespace orrery::data
