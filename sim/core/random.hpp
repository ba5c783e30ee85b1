// Named random streams: stream(seed, "arrivals/durations") is a generator that depends on nothing else, so
// a new consumer never shifts another's numbers and every policy faces the same arrivals and faults (common
// random numbers). The generator is PCG64 (O'Neill 2014); the distributions are ours or Boost.Random's, never
// the standard library's, whose results differ between implementations.
#pragma once

#include <cstdint>
#include <string_view>

#include <pcg_random.hpp>

namespace orrery {

using RandomStream = pcg64;

// FNV-1a, 64 bit: stable across platforms and runs. `basis` continues an earlier hash.
[[nodiscard]] constexpr std::uint64_t hash64(std::string_view text, std::uint64_t basis = 0xcbf29ce484222325ULL) {
  std::uint64_t h = basis;
  for (const char c : text) {
    h ^= static_cast<unsigned char>(c);
    h *= 0x100000001b3ULL;
  }
  return h;
}

// The generator named `name` of the run with `seed`.
[[nodiscard]] RandomStream stream(std::uint64_t seed, std::string_view name);

// Uniform integer in [0, bound), without modulo bias (Lemire 2019); bound > 0.
[[nodiscard]] std::uint64_t uniform_below(RandomStream& rng, std::uint64_t bound);

// Uniform in [0, 1) with 53 random bits.
[[nodiscard]] double uniform01(RandomStream& rng);

// Natural logarithm of x > 0 by a fixed series (error below 1e-15 relative to |ln x| + 1): the C library's
// picks its code by CPU, and generated workloads must have the same bytes everywhere.
[[nodiscard]] double portable_log(double x);

// e^x by a fixed series, for |x| < 700; same reason.
[[nodiscard]] double portable_exp(double x);

// Exponential with the given mean (> 0), by inversion; one draw.
[[nodiscard]] double exponential(RandomStream& rng, double mean);

// Standard normal by Marsaglia's polar method; keeps no state, draws at least two numbers.
[[nodiscard]] double standard_normal(RandomStream& rng);

}  // namespace orrery
