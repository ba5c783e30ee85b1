// What the generators draw with: weighted choices, Zipf ranks, log-normal times, and arrivals that are denser by day.
// Every function takes the stream it draws from; nothing here uses the C library's mathematics, so that the same seed
// gives the same bytes everywhere.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "sim/core/random.hpp"
#include "traces/format/canonical.hpp"
#include "traces/synth/poisson.hpp"

namespace orrery {

// (value, weight > 0); weights need not add up to 1.
using Mix = std::vector<std::pair<std::int32_t, double>>;
[[nodiscard]] std::int32_t draw(RandomStream& rng, const Mix& mix);
// An index by weight.
[[nodiscard]] std::size_t draw_index(RandomStream& rng, const std::vector<double>& weights);

// Ranks 0, 1, ... < n with probability proportional to 1 / (rank + 1)^s.
class Zipf {
 public:
  explicit Zipf(double s) : s_(s) {}
  // n may grow from call to call; amortised O(log n).
  [[nodiscard]] std::size_t draw(RandomStream& rng, std::size_t n);

 private:
  double s_;
  std::vector<double> sums_;  // [i] weights of ranks 0..i
};

// exp(N(ln median, sigma)), in [low_s, high_s], as a whole number of milliseconds.
struct LogNormal {
  double median_s = 1;
  double sigma = 1;
  double low_s = 1;
  double high_s = 1e7;
};
[[nodiscard]] Duration draw(RandomStream& rng, const LogNormal& law);
// That with the given mean and median, mean > median.
[[nodiscard]] LogNormal by_mean_and_median(double mean_s, double median_s, double high_s);

// Arrivals per hour of the day relative to the day's mean.
using DayPattern = std::array<double, 24>;
inline constexpr DayPattern kEvenDay{1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
// Submits of Philly by hour, Pacific time (philly_jobs_derived.csv, 101,615 jobs).
extern const DayPattern kPhillyDay;

// The mean gap between arrivals that `spec` asks for. Where a load decides any will do: an hour, less where so many
// jobs would not fit into a trace.
[[nodiscard]] double gap_ns(const PoissonSpec& spec);
// The submit of a job `at_ns` from the start; later than a trace can last, which place_arrivals() then refuses, where
// that is not a time.
[[nodiscard]] Time submit_at(double at_ns);
// Submit times were drawn as if the day were even, ascending from 0: stretches them so that the offered load is
// spec.load (met exactly), where there is one, moves them to the hours of `day`, and rounds them to milliseconds.
// Errors: no load to scale; a trace of more than 73 years.
[[nodiscard]] Expected<void> place_arrivals(Trace& trace, const PoissonSpec& spec, const DayPattern& day);
// Adds what users claim, up to spec.overestimate times the run time; counts the rows.
void finish_generated(Trace& trace, const PoissonSpec& spec, std::string_view name);

}  // namespace orrery
