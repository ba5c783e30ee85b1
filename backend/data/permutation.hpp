// A random order of n things without storing it: position -> thing is a keyed permutation (a Feistel network of four
// rounds over the next power of four, walked until the result lies below n; Black and Rogaway 2002). So sample
// `epoch, position` is known at once, on any rank of any world size, after any restart.
#pragma once

#include <cstdint>

namespace orrery::data {

// A number that depends on nothing but its arguments: for draws that belong to a sample (crops, masks).
[[nodiscard]] std::uint64_t mix(std::uint64_t a, std::uint64_t b, std::uint64_t c = 0);

class Permutation {
 public:
  // n >= 1, at most 2^62.
  Permutation(std::uint64_t n, std::uint64_t key);
  // position < n -> thing < n, each once.
  [[nodiscard]] std::uint64_t operator()(std::uint64_t position) const;

 private:
  std::uint64_t n_, key_;
  unsigned half_bits_;
};

// Which sample an endless stream shows at `position`: epoch after epoch of n samples, each in an order of its own.
struct StreamPlace {
  std::uint64_t epoch = 0, sample = 0;
};
[[nodiscard]] StreamPlace shuffled(std::uint64_t position, std::uint64_t n, std::uint64_t seed);

}  // namespace orrery::data
