#include <catch2/catch.hpp>

#include "scenarios/run/latency_histogram.hpp"

using namespace std::chrono_literals;
using orrery::app::LatencyHistogram;

TEST_CASE("latency histogram: quantiles to 1.6 %, whatever the scale", "[app]") {
  LatencyHistogram h;
  CHECK_FALSE(h.quantile_s(0.5).has_value());
  h.add(7ns);
  CHECK(*h.quantile_s(0.5) == Approx(7e-9));
  for (int i = 0; i < 97; ++i) h.add(1234us);
  h.add(55s);
  h.add(-1ns);  // no clock should, but it must not break the run
  CHECK(*h.quantile_s(0.01) == 0);
  CHECK(*h.quantile_s(0.5) == Approx(1234e-6).epsilon(0.016));
  CHECK(*h.quantile_s(0.99) == Approx(1234e-6).epsilon(0.016));
  CHECK(*h.quantile_s(1) == Approx(55).epsilon(0.016));
  h.add(std::chrono::nanoseconds::max());
  CHECK(*h.quantile_s(1) == Approx(9.22e9).epsilon(0.02));
}
