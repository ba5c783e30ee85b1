#include "backend/data/permutation.hpp"

#include "sim/core/assert.hpp"

namespace orrery::data {
namespace {

// The finaliser of SplitMix64 (Steele et al. 2014): every input bit changes about half of the output bits.
std::uint64_t scramble(std::uint64_t x) {
  x += 0x9e3779b97f4a7c15ULL;
  x = (x ^ (x >> 30U)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27U)) * 0x94d049bb133111ebULL;
  return x ^ (x >> 31U);
}

}  // namespace

std::uint64_t mix(std::uint64_t a, std::uint64_t b, std::uint64_t c) {
  return scramble(scramble(scramble(a) ^ b) ^ c);
}

Permutation::Permutation(std::uint64_t n, std::uint64_t key) : n_(n), key_(key), half_bits_(1) {
  ORRERY_ASSERT(n >= 1 && n <= (1ULL << 62U), "a permutation of {}", n);
  while ((1ULL << (2 * half_bits_)) < n) ++half_bits_;
}

std::uint64_t Permutation::operator()(std::uint64_t position) const {
  ORRERY_ASSERT(position < n_, "position {} of {}", position, n_);
  const std::uint64_t mask = (1ULL << half_bits_) - 1;
  std::uint64_t x = position;
  do {
    std::uint64_t left = x >> half_bits_, right = x & mask;
    for (std::uint64_t round = 0; round < 4; ++round) {
      const std::uint64_t next = left ^ (mix(key_, round, right) & mask);
      left = right;
      right = next;
    }
    x = left << half_bits_ | right;
  } while (x >= n_);
  return x;
}

StreamPlace shuffled(std::uint64_t position, std::uint64_t n, std::uint64_t seed) {
  const std::uint64_t epoch = position / n;
  return {epoch, Permutation(n, mix(seed, epoch, 0x0de5))(position % n)};
}

}  // namespace orrery::data
