// Named streams and the distributions drawn from them.
#include <catch2/catch.hpp>

#include <cmath>

#include "sim/core/random.hpp"

using namespace orrery;

TEST_CASE("streams depend on seed and name alone", "[core]") {
  RandomStream a = stream(1, "arrivals");
  RandomStream again = stream(1, "arrivals");
  RandomStream name = stream(1, "durations");
  RandomStream seed = stream(2, "arrivals");
  const std::uint64_t first = a();
  CHECK(first == again());
  CHECK(first != name());
  CHECK(first != seed());
}

TEST_CASE("distributions have their moments", "[core]") {
  RandomStream rng = stream(4, "tests/moments");
  constexpr int kDraws = 200'000;
  double exponential_sum = 0, normal_sum = 0, normal_squares = 0;
  std::vector<int> counts(7, 0);
  for (int i = 0; i < kDraws; ++i) {
    exponential_sum += exponential(rng, 5);
    const double z = standard_normal(rng);
    normal_sum += z;
    normal_squares += z * z;
    ++counts[uniform_below(rng, 7)];
  }
  CHECK(std::abs(exponential_sum / kDraws - 5) < 0.05);
  CHECK(std::abs(normal_sum / kDraws) < 0.01);
  CHECK(std::abs(normal_squares / kDraws - 1) < 0.02);
  for (const int n : counts) CHECK(std::abs(n - kDraws / 7) < 800);
}

TEST_CASE("portable log and exp are accurate", "[core]") {
  for (double x = 1e-300; x < 1e300; x *= 37.3)
    CHECK(std::abs(portable_log(x) - std::log(x)) <= 1e-14 * (1 + std::abs(std::log(x))));
  for (double x = -600; x < 600; x += 1.37) CHECK(std::abs(portable_exp(x) / std::exp(x) - 1) < 1e-13);
}
