// Log-mel pictures of sound: power spectra of Hann windows (torch.stft's convention without centring), a bank of
// triangular filters on the HTK mel scale, the natural logarithm. Torch-free and with an FFT of our own, so that data
// can be prepared and checked anywhere; a test compares it with the definition.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "backend/data/sample.hpp"

namespace orrery::data {

struct MelOptions {
  int window = 256;  // samples; a power of two
  int hop = 128;
  int mels = 32;
  int frames = 32;  // columns; sound is cut or padded by silence
};

class LogMel {
 public:
  LogMel(const MelOptions& options, int rate);
  // [mels * frames], row by row: (ln(1e-6 + energy) + 6) / 4, which makes usual sound about unit-sized.
  [[nodiscard]] std::vector<float> operator()(std::span<const float> samples) const;
  // [mels * (window / 2 + 1)]: the filters, row by row.
  [[nodiscard]] const std::vector<float>& filters() const { return filters_; }

 private:
  MelOptions options_;
  std::vector<float> hann_, filters_;
};

// In place, n a power of two: X_k = sum over j of x_j e^(-2 pi i j k / n).
void fft(std::vector<float>& real, std::vector<float>& imaginary);

}  // namespace orrery::data
