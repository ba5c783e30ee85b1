#include "backend/data/log_mel.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numbers>
#include <utility>

#include "sim/core/assert.hpp"

namespace orrery::data {
namespace {

double mel_of(double hertz) {
  return 2595 * std::log10(1 + hertz / 700);
}
double hertz_of(double mel) {
  return 700 * (std::pow(10, mel / 2595) - 1);
}

}  // namespace

void fft(std::vector<float>& re, std::vector<float>& im) {
  const std::size_t n = re.size();
  ORRERY_ASSERT(std::has_single_bit(n) && im.size() == n, "an FFT of {}", n);
  for (std::size_t i = 1, j = 0; i < n; ++i) {
    std::size_t bit = n >> 1U;
    for (; j & bit; bit >>= 1U) j ^= bit;
    j ^= bit;
    if (i < j) {
      std::swap(re[i], re[j]);
      std::swap(im[i], im[j]);
    }
  }
  for (std::size_t length = 2; length <= n; length *= 2) {
    const std::size_t half = length / 2;
    for (std::size_t k = 0; k < half; ++k) {
      const double angle = -2 * std::numbers::pi * static_cast<double>(k) / static_cast<double>(length);
      const auto c = static_cast<float>(std::cos(angle)), s = static_cast<float>(std::sin(angle));
      for (std::size_t i = k; i < n; i += length) {
        const float a = re[i + half] * c - im[i + half] * s, b = re[i + half] * s + im[i + half] * c;
        re[i + half] = re[i] - a;
        im[i + half] = im[i] - b;
        re[i] += a;
        im[i] += b;
      }
    }
  }
}

LogMel::LogMel(const MelOptions& o, int rate) : options_(o) {
  ORRERY_ASSERT(
      std::has_single_bit(static_cast<unsigned>(o.window)) && o.hop > 0 && o.mels > 0 && o.frames > 0 && rate > 0,
      "window {}, hop {}, {} mels, {} frames, rate {}", o.window, o.hop, o.mels, o.frames, rate);
  const auto window = static_cast<std::size_t>(o.window);
  for (std::size_t i = 0; i < window; ++i)
    hann_.push_back(static_cast<float>(
        0.5 - 0.5 * std::cos(2 * std::numbers::pi * static_cast<double>(i) / static_cast<double>(window))));
  // Triangles between mels + 2 points that are equally far apart in mel, from 0 to half the rate.
  std::vector<double> points;
  const double top = mel_of(rate / 2.0);
  for (int m = 0; m < o.mels + 2; ++m) points.push_back(hertz_of(top * m / (o.mels + 1)));
  const std::size_t bins = window / 2 + 1;
  for (std::size_t m = 0; m < static_cast<std::size_t>(o.mels); ++m)
    for (std::size_t k = 0; k < bins; ++k) {
      const double hertz = static_cast<double>(k) * rate / static_cast<double>(window);
      const double up = (hertz - points[m]) / (points[m + 1] - points[m]);
      const double down = (points[m + 2] - hertz) / (points[m + 2] - points[m + 1]);
      filters_.push_back(static_cast<float>(std::max(0.0, std::min(up, down))));
    }
}

std::vector<float> LogMel::operator()(std::span<const float> samples) const {
  const auto window = static_cast<std::size_t>(options_.window), hop = static_cast<std::size_t>(options_.hop);
  const auto mels = static_cast<std::size_t>(options_.mels), frames = static_cast<std::size_t>(options_.frames);
  const std::size_t bins = window / 2 + 1;
  std::vector<float> out(mels * frames), re(window), im(window), power(bins);
  for (std::size_t f = 0; f < frames; ++f) {
    for (std::size_t i = 0; i < window; ++i) {
      const std::size_t at = f * hop + i;
      re[i] = at < samples.size() ? samples[at] * hann_[i] : 0.0F;
      im[i] = 0;
    }
    fft(re, im);
    for (std::size_t k = 0; k < bins; ++k) power[k] = re[k] * re[k] + im[k] * im[k];
    for (std::size_t m = 0; m < mels; ++m) {
      float energy = 0;
      for (std::size_t k = 0; k < bins; ++k) energy += filters_[m * bins + k] * power[k];
      out[m * frames + f] = (std::log(1e-6F + energy) + 6) / 4;
    }
  }
  return out;
}

}  // namespace orrery::data
