#include "backend/data/preprocess.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "backend/data/permutation.hpp"

namespace orrery::data {
namespace {

// What draws of a sample are for; each purpose has numbers of its own.
enum Purpose : std::uint64_t { kShiftX = 1, kShiftY, kBrightness, kContrast, kTextMask, kImageMask, kTextWord };

double fraction(std::uint64_t bits) {
  return static_cast<double>(bits >> 11U) * 0x1p-53;
}

}  // namespace

std::vector<std::int32_t> choose(std::int64_t n, std::int64_t k, std::uint64_t key) {
  const Permutation order(static_cast<std::uint64_t>(n), key);
  std::vector<std::int32_t> out;
  for (std::int64_t i = 0; i < k; ++i) out.push_back(static_cast<std::int32_t>(order(static_cast<std::uint64_t>(i))));
  std::sort(out.begin(), out.end());
  return out;
}

std::vector<float> resized(const Image& image, int size, int channels, double dx, double dy) {
  const auto side = static_cast<std::size_t>(size);
  std::vector<float> out(static_cast<std::size_t>(channels) * side * side);
  // For every row (column) of the result: two rows of the image and the weight of the second.
  struct Tap {
    std::size_t a, b;
    float weight;
  };
  const auto taps = [size](int from, double shift) {
    std::vector<Tap> t;
    for (int i = 0; i < size; ++i) {
      const double at = std::clamp((i + 0.5 - shift) * from / size - 0.5, 0.0, from - 1.0);
      const auto a = static_cast<std::size_t>(at);
      t.push_back(
          {a, std::min(a + 1, static_cast<std::size_t>(from - 1)), static_cast<float>(at - static_cast<double>(a))});
    }
    return t;
  };
  const std::vector<Tap> xs = taps(image.width, dx), ys = taps(image.height, dy);
  const auto width = static_cast<std::size_t>(image.width), inputs = static_cast<std::size_t>(image.channels);
  const auto value = [&](std::size_t y, std::size_t x, std::size_t c) {
    const std::uint8_t* pixel = &image.pixels[(y * width + x) * inputs];
    if (inputs == static_cast<std::size_t>(channels)) return static_cast<float>(pixel[c]);
    if (inputs == 1) return static_cast<float>(pixel[0]);
    return 0.299F * static_cast<float>(pixel[0]) + 0.587F * static_cast<float>(pixel[1]) +
           0.114F * static_cast<float>(pixel[2]);
  };
  for (std::size_t c = 0; c < static_cast<std::size_t>(channels); ++c)
    for (std::size_t y = 0; y < side; ++y)
      for (std::size_t x = 0; x < side; ++x) {
        const float top = value(ys[y].a, xs[x].a, c) * (1 - xs[x].weight) + value(ys[y].a, xs[x].b, c) * xs[x].weight;
        const float low = value(ys[y].b, xs[x].a, c) * (1 - xs[x].weight) + value(ys[y].b, xs[x].b, c) * xs[x].weight;
        out[(c * side + y) * side + x] = top * (1 - ys[y].weight) + low * ys[y].weight;
      }
  return out;
}

Preprocessor::Preprocessor(PreprocessOptions options, Tokenizer tokenizer)
    : options_(std::move(options)), tokenizer_(std::move(tokenizer)) {}

std::vector<float> Preprocessor::picture(const Image& image, std::uint64_t position) const {
  const ImageConfig& c = *options_.model.image;
  const auto draw = [&](Purpose p) { return 2 * fraction(mix(options_.seed, position, p)) - 1; };  // -1 to 1
  double dx = 0, dy = 0, gain = 1, offset = 0;
  if (options_.augment) {
    const auto most = static_cast<double>(c.size) / 8;
    dx = std::round(draw(kShiftX) * most);
    dy = std::round(draw(kShiftY) * most);
    offset = 0.1 * draw(kBrightness);
    gain = 1 + 0.2 * draw(kContrast);
  }
  std::vector<float> out = resized(image, static_cast<int>(c.size), static_cast<int>(c.channels), dx, dy);
  for (float& v : out) v = static_cast<float>((static_cast<double>(v) / 127.5 - 1) * gain + offset);
  return out;
}

void Preprocessor::hide_text(Prepared& p, std::uint64_t position) const {
  const TextConfig& t = *options_.model.text;
  std::int64_t words = 0;  // after <bos>
  while (words + 1 < t.length && p.tokens[static_cast<std::size_t>(words + 1)] != kPad) ++words;
  const auto slots = static_cast<std::size_t>(masked_count(t.length, options_.model.objectives.text_ratio));
  p.masked_tokens = p.tokens;
  p.text_positions.assign(slots, 0);
  p.text_weights.assign(slots, 0);
  if (words == 0) return;
  const std::int64_t count =
      std::min(masked_count(words, options_.model.objectives.text_ratio), static_cast<std::int64_t>(slots));
  const std::vector<std::int32_t> chosen = choose(words, count, mix(options_.seed, position, kTextMask));
  for (std::size_t i = 0; i < chosen.size(); ++i) {
    const std::int32_t at = chosen[i] + 1;
    p.text_positions[i] = at;
    p.text_weights[i] = 1.0F / static_cast<float>(count);
    const std::uint64_t dice = mix(options_.seed, position, kTextWord + static_cast<std::uint64_t>(at) * 16);
    std::int32_t& token = p.masked_tokens[static_cast<std::size_t>(at)];
    if (dice % 10 < 8) {
      token = kMask;
    } else if (dice % 10 == 8) {
      token = kFirstByte +
              static_cast<std::int32_t>((dice >> 8U) % static_cast<std::uint64_t>(t.vocabulary - kFirstByte));
    }
  }
}

Expected<Prepared> Preprocessor::operator()(const Sample& sample, std::uint64_t position) const {
  const ModelConfig& m = options_.model;
  const auto lacks = [&sample](const char* what) {
    return fail(fmt::format("sample `{}` has no {}", sample.key, what));
  };
  Prepared p;
  p.label = sample.label;
  if (options_.label && (sample.label < 0 || sample.label >= m.head->classes))
    return fail(
        fmt::format("sample `{}` has the label {}, there are {} classes", sample.key, sample.label, m.head->classes));
  if (options_.use.text > 0) {
    if (sample.text.empty()) return lacks("text");
    p.tokens = tokenizer_.encode_padded(sample.text, static_cast<std::size_t>(m.text->length));
    for (const std::int32_t id : p.tokens)
      if (id >= m.text->vocabulary)
        return fail(fmt::format("sample `{}`: token {} is beyond the model's vocabulary of {}", sample.key, id,
                                m.text->vocabulary));
    if (!m.head && m.objectives.masked_text > 0) hide_text(p, position);
  }
  if (options_.use.image > 0) {
    if (!sample.has_image()) return lacks("image");
    p.image = picture(sample.image, position);
    if (!m.head && m.objectives.masked_image > 0)
      p.image_positions = choose(m.image->tokens(), masked_count(m.image->tokens(), m.objectives.image_ratio),
                                 mix(options_.seed, position, kImageMask));
  }
  if (options_.use.audio > 0) {
    if (!sample.has_audio()) return lacks("sound");
    if (!mel_ || mel_rate_ != sample.audio.rate) {
      mel_.emplace(MelOptions{256, 128, static_cast<int>(m.audio->mels), static_cast<int>(m.audio->frames)},
                   sample.audio.rate);
      mel_rate_ = sample.audio.rate;
    }
    p.audio = (*mel_)(sample.audio.samples);
  }
  return p;
}

}  // namespace orrery::data
