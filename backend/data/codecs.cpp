#include "backend/data/codecs.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "sim/core/json.hpp"
#include "sim/core/json_text.hpp"

namespace orrery::data {
namespace {

// The next number of a PPM header, after blanks and comments; -1 = there is none.
int header_number(std::string_view bytes, std::size_t& at) {
  while (at < bytes.size()) {
    const char c = bytes[at];
    if (c == '#') {
      while (at < bytes.size() && bytes[at] != '\n') ++at;
    } else if (c == ' ' || c == '\t' || c == '\r' || c == '\n') {
      ++at;
    } else {
      break;
    }
  }
  int value = -1;
  while (at < bytes.size() && bytes[at] >= '0' && bytes[at] <= '9') {
    value = std::max(value, 0) * 10 + (bytes[at++] - '0');
    if (value > 1'000'000) return -1;
  }
  return value;
}

std::uint32_t little(std::string_view bytes, std::size_t at, std::size_t size) {
  std::uint32_t v = 0;
  for (std::size_t i = size; i-- > 0;) v = v << 8U | static_cast<unsigned char>(bytes[at + i]);
  return v;
}

void put_little(std::string& out, std::uint32_t value, int size) {
  for (int i = 0; i < size; ++i) out.push_back(static_cast<char>(value >> (8U * static_cast<unsigned>(i)) & 0xffU));
}

struct WavFormat {
  std::uint32_t kind = 0, channels = 0, rate = 0, bits = 0;
  [[nodiscard]] bool readable() const {
    const bool pcm = kind == 1 && (bits == 8 || bits == 16 || bits == 24 || bits == 32);
    return (pcm || (kind == 3 && bits == 32)) && channels >= 1 && channels <= 64 && rate >= 1 && rate <= 1'000'000;
  }
};

float wav_value(std::string_view bytes, std::size_t at, const WavFormat& f) {
  const std::uint32_t raw = little(bytes, at, f.bits / 8);
  if (f.kind == 3) {
    const float v = std::bit_cast<float>(raw);
    return std::isfinite(v) ? std::clamp(v, -1.0F, 1.0F) : 0.0F;
  }
  if (f.bits == 8) return (static_cast<float>(raw) - 128.0F) / 128.0F;
  const auto shifted = static_cast<std::int32_t>(raw << (32 - f.bits));  // sign into the top bit
  return static_cast<float>(static_cast<double>(shifted) / 2147483648.0);
}

}  // namespace

Expected<Image> decode_ppm(std::string_view bytes) {
  if (bytes.size() < 2 || bytes[0] != 'P' || (bytes[1] != '6' && bytes[1] != '5')) return fail("no PPM (P5 or P6)");
  Image image;
  image.channels = bytes[1] == '6' ? 3 : 1;
  std::size_t at = 2;
  image.width = header_number(bytes, at);
  image.height = header_number(bytes, at);
  const int most = header_number(bytes, at);
  if (image.width < 1 || image.height < 1 || image.width > kMaxImageSide || image.height > kMaxImageSide)
    return fail(fmt::format("a PPM of {} x {} pixels", image.width, image.height));
  if (most != 255) return fail("a PPM whose values do not go to 255");
  if (at >= bytes.size()) return fail("a PPM that ends in its header");
  ++at;  // the one blank after the header
  const auto size = static_cast<std::size_t>(image.width) * static_cast<std::size_t>(image.height) *
                    static_cast<std::size_t>(image.channels);
  if (bytes.size() - at < size) return fail(fmt::format("a PPM with {} of {} bytes", bytes.size() - at, size));
  image.pixels.resize(size);
  std::memcpy(image.pixels.data(), bytes.data() + at, size);
  return image;
}

Expected<Image> decode_raw(std::string_view bytes, const RawShape& shape) {
  if (shape.width == 0) return fail("raw pixels of a data set without a raw.json (width, height, channels)");
  const auto size = static_cast<std::size_t>(shape.width) * static_cast<std::size_t>(shape.height) *
                    static_cast<std::size_t>(shape.channels);
  if (bytes.size() != size)
    return fail(fmt::format("raw pixels of {} bytes, where {} x {} x {} are {}", bytes.size(), shape.width,
                            shape.height, shape.channels, size));
  return Image{shape.width, shape.height, shape.channels, {bytes.begin(), bytes.end()}};
}

Expected<RawShape> raw_shape_from_json(const std::string& file, std::string_view text) {
  const nlohmann::json json = read_json(text);
  RawShape shape;
  const auto take = [&](const char* key, int& value) {
    const auto at = json.find(key);
    if (at == json.end() || !at->is_number_integer() || *at < 1 || *at > kMaxImageSide) return false;
    value = *at;
    return true;
  };
  if (!json.is_object() || json.size() != 3 || !take("width", shape.width) || !take("height", shape.height) ||
      !take("channels", shape.channels) || (shape.channels != 1 && shape.channels != 3))
    return fail(
        fmt::format("`{}` is not {{\"width\": W, \"height\": H, \"channels\": 1 or 3}} with sides from 1 to {}", file,
                    kMaxImageSide));
  return shape;
}

std::string encode_ppm(const Image& image) {
  std::string out = fmt::format("P{}\n{} {}\n255\n", image.channels == 3 ? 6 : 5, image.width, image.height);
  out.append(reinterpret_cast<const char*>(image.pixels.data()), image.pixels.size());
  return out;
}

Expected<Image> decode_image(std::string_view bytes) {
  if (bytes.starts_with("\xff\xd8")) return decode_jpeg(bytes);
  if (bytes.starts_with("\x89PNG")) return decode_png(bytes);
  if (bytes.starts_with("P5") || bytes.starts_with("P6")) return decode_ppm(bytes);
  return fail("neither PPM nor JPEG nor PNG");
}

Expected<Waveform> decode_wav(std::string_view bytes) {
  if (bytes.size() < 12 || !bytes.starts_with("RIFF") || bytes.substr(8, 4) != "WAVE") return fail("no WAV");
  WavFormat format;
  bool known = false;
  std::size_t at = 12;
  while (bytes.size() - at >= 8) {
    const std::string_view name = bytes.substr(at, 4);
    std::size_t size = little(bytes, at + 4, 4);
    at += 8;
    const bool data = name == "data";
    // Writers that stream leave the size of `data` open; what is there counts.
    if (size > bytes.size() - at) {
      if (!data) return fail("a WAV whose chunk is longer than the file");
      size = bytes.size() - at;
    }
    if (name == "fmt ") {
      if (size < 16) return fail("a WAV with a short format chunk");
      format = {little(bytes, at, 2), little(bytes, at + 2, 2), little(bytes, at + 4, 4), little(bytes, at + 14, 2)};
      if (format.kind == 0xfffe && size >= 26) format.kind = little(bytes, at + 24, 2);
      if (!format.readable()) return fail(fmt::format("a WAV of kind {} with {} bits", format.kind, format.bits));
      known = true;
    } else if (data) {
      if (!known) return fail("a WAV with data before its format");
      const std::size_t width = format.bits / 8, frame = width * format.channels;
      Waveform wave;
      wave.rate = static_cast<int>(format.rate);
      wave.samples.resize(size / frame);
      for (std::size_t i = 0; i < wave.samples.size(); ++i) {
        float sum = 0;
        for (std::size_t c = 0; c < format.channels; ++c) sum += wav_value(bytes, at + i * frame + c * width, format);
        wave.samples[i] = sum / static_cast<float>(format.channels);
      }
      if (wave.samples.empty()) return fail("a WAV without samples");
      return wave;
    }
    at += size + size % 2;
    if (at > bytes.size()) break;
  }
  return fail("a WAV without data");
}

std::string encode_wav(const Waveform& wave) {
  const auto size = static_cast<std::uint32_t>(wave.samples.size() * 2);
  const auto rate = static_cast<std::uint32_t>(wave.rate);
  std::string out = "RIFF";
  put_little(out, 36 + size, 4);
  out += "WAVEfmt ";
  put_little(out, 16, 4);
  put_little(out, 1, 2);
  put_little(out, 1, 2);
  put_little(out, rate, 4);
  put_little(out, rate * 2, 4);
  put_little(out, 2, 2);
  put_little(out, 16, 2);
  out += "data";
  put_little(out, size, 4);
  for (const float v : wave.samples) {
    const auto whole = static_cast<std::int32_t>(std::lround(std::clamp(v, -1.0F, 1.0F) * 32767.0F));
    put_little(out, static_cast<std::uint32_t>(whole), 2);
  }
  return out;
}

#ifndef ORRERY_JPEG
Expected<Image> decode_jpeg(std::string_view) {
  return fail("a JPEG, which this build cannot read (-DORRERY_CODECS=ON)");
}
#endif
#ifndef ORRERY_PNG
Expected<Image> decode_png(std::string_view) {
  return fail("a PNG, which this build cannot read (-DORRERY_CODECS=ON)");
}
#endif

}  // namespace orrery::data
