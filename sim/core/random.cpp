#include "sim/core/random.hpp"

#include <cmath>

#include "sim/core/assert.hpp"

namespace orrery {

RandomStream stream(std::uint64_t seed, std::string_view name) {
  const std::uint64_t state = hash64(name);
  const std::uint64_t sequence = hash64(name, 0x9e3779b97f4a7c15ULL);
  return RandomStream((pcg_extras::pcg128_t(seed) << 64) | state, sequence);
}

std::uint64_t uniform_below(RandomStream& rng, std::uint64_t bound) {
  ORRERY_ASSERT(bound > 0, "uniform_below(0)");
  __extension__ using U128 = unsigned __int128;
  U128 product = static_cast<U128>(rng()) * bound;
  if (static_cast<std::uint64_t>(product) < bound) {
    const std::uint64_t threshold = (0 - bound) % bound;
    while (static_cast<std::uint64_t>(product) < threshold) product = static_cast<U128>(rng()) * bound;
  }
  return static_cast<std::uint64_t>(product >> 64);
}

double uniform01(RandomStream& rng) {
  return static_cast<double>(rng() >> 11) * 0x1.0p-53;
}

double portable_log(double x) {
  ORRERY_ASSERT(x > 0, "log of {}", x);
  int exponent = 0;
  double m = std::frexp(x, &exponent);  // exact
  if (m < 0.70710678118654752) {
    m *= 2;
    --exponent;
  }
  // ln m = 2 artanh(s), s = (m-1)/(m+1), |s| < 0.1716
  const double s = (m - 1) / (m + 1);
  const double s2 = s * s;
  double sum = 0;
  for (int k = 23; k >= 1; k -= 2) sum = sum * s2 + 1.0 / k;
  return 2 * s * sum + exponent * 0.69314718055994530942;
}

double portable_exp(double x) {
  ORRERY_ASSERT(x > -700 && x < 700, "exp of {}", x);
  const double n = std::nearbyint(x / 0.69314718055994530942);
  const double r = x - n * 0.69314718055994530942;
  double sum = 1;
  for (int k = 18; k >= 1; --k) sum = 1 + sum * r / k;
  return std::ldexp(sum, static_cast<int>(n));
}

double exponential(RandomStream& rng, double mean) {
  return -mean * portable_log(1.0 - uniform01(rng));
}

double standard_normal(RandomStream& rng) {
  for (;;) {
    const double u = 2 * uniform01(rng) - 1;
    const double v = 2 * uniform01(rng) - 1;
    const double s = u * u + v * v;
    if (s > 0 && s < 1) return u * std::sqrt(-2 * portable_log(s) / s);
  }
}

}  // namespace orrery
