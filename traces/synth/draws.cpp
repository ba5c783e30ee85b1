#include "traces/synth/draws.hpp"

#include <algorithm>
#include <cmath>

#include "sim/core/assert.hpp"
#include "traces/format/formats.hpp"

namespace orrery {
namespace {

constexpr double kHourNs = 3600e9;
constexpr double kDayNs = 24 * kHourNs;
constexpr std::int64_t kNsPerMs = 1'000'000;

// At most as long as a trace may last.
std::int64_t whole_ms(double ns) {
  return std::llround(std::min(ns, static_cast<double>(kMaxTraceNs)) / static_cast<double>(kNsPerMs)) * kNsPerMs;
}

// Time as it would be on an even day, and back: the integral of the pattern over the hours.
class Hours {
 public:
  explicit Hours(const DayPattern& day) {
    double sum = 0;
    for (const double w : day) sum += w;
    for (std::size_t h = 0; h < 24; ++h) {
      weight_[h] = day[h] * 24 / sum;
      before_[h + 1] = before_[h] + weight_[h] * kHourNs;
    }
    before_[24] = kDayNs;
  }
  [[nodiscard]] double even(double clock_ns) const {
    const double days = std::floor(clock_ns / kDayNs);
    const double rest = clock_ns - days * kDayNs;
    const auto h = std::min<std::size_t>(static_cast<std::size_t>(rest / kHourNs), 23);
    return days * kDayNs + before_[h] + (rest - static_cast<double>(h) * kHourNs) * weight_[h];
  }
  [[nodiscard]] double clock(double even_ns) const {
    const double days = std::floor(even_ns / kDayNs);
    const double rest = even_ns - days * kDayNs;
    std::size_t h = 0;
    while (h < 23 && before_[h + 1] <= rest) ++h;
    return days * kDayNs + static_cast<double>(h) * kHourNs + (rest - before_[h]) / weight_[h];
  }

 private:
  std::array<double, 24> weight_{};
  std::array<double, 25> before_{};
};

}  // namespace

const DayPattern kPhillyDay{1.21, 1.12, 1.05, 0.98, 1.09, 1.16, 1.35, 1.99, 1.17, 1.05, 0.92, 0.79,
                            0.87, 0.57, 0.68, 0.58, 0.98, 0.82, 0.65, 0.81, 1.04, 0.87, 1.13, 1.11};

std::size_t draw_index(RandomStream& rng, const std::vector<double>& weights) {
  double total = 0;
  for (const double w : weights) total += w;
  double u = uniform01(rng) * total;
  for (std::size_t i = 0; i + 1 < weights.size(); ++i) {
    if (u < weights[i]) return i;
    u -= weights[i];
  }
  return weights.size() - 1;
}

std::int32_t draw(RandomStream& rng, const Mix& mix) {
  std::vector<double> weights;
  for (const auto& [value, weight] : mix) weights.push_back(weight);
  return mix[draw_index(rng, weights)].first;
}

std::size_t Zipf::draw(RandomStream& rng, std::size_t n) {
  ORRERY_ASSERT(n > 0, "no rank to draw");
  while (sums_.size() < n) {
    const double weight = portable_exp(-s_ * portable_log(static_cast<double>(sums_.size() + 1)));
    sums_.push_back((sums_.empty() ? 0 : sums_.back()) + weight);
  }
  const double u = uniform01(rng) * sums_[n - 1];
  const auto end = sums_.begin() + static_cast<std::ptrdiff_t>(n);
  const auto at = std::upper_bound(sums_.begin(), end, u);
  return std::min(static_cast<std::size_t>(at - sums_.begin()), n - 1);
}

Duration draw(RandomStream& rng, const LogNormal& law) {
  const double x = portable_log(law.median_s) + law.sigma * standard_normal(rng);
  const double s = std::clamp(portable_exp(std::clamp(x, -20.0, 40.0)), law.low_s, law.high_s);
  return Duration{std::max(whole_ms(s * 1e9), kNsPerMs)};
}

LogNormal by_mean_and_median(double mean_s, double median_s, double high_s) {
  ORRERY_ASSERT(mean_s > median_s && median_s > 0, "mean {} s, median {} s", mean_s, median_s);
  return {median_s, std::sqrt(2 * portable_log(mean_s / median_s)), 1, high_s};
}

double gap_ns(const PoissonSpec& spec) {
  if (spec.rate_per_1e9_h) return kHourNs * 1e9 / static_cast<double>(*spec.rate_per_1e9_h);
  const auto jobs = static_cast<double>(std::max<std::int64_t>(1, spec.jobs));
  return std::min(kHourNs, static_cast<double>(kMaxTraceNs) / 2 / jobs);
}

Time submit_at(double at_ns) {
  return Time{static_cast<std::int64_t>(std::min(at_ns, 1.5 * static_cast<double>(kMaxTraceNs)))};
}

Expected<void> place_arrivals(Trace& trace, const PoissonSpec& spec, const DayPattern& day) {
  const Hours hours(day);
  double factor = 1;
  const auto span = trace.jobs.empty() ? 0.0 : static_cast<double>(trace.jobs.back().submit.ns);
  if (spec.load) {
    const double now = offered_load(trace, spec.cluster_gpus);
    if (now <= 0) return fail("there is no load to scale: all jobs are submitted at once, or need no GPU");
    const double wanted = span * now / *spec.load;
    if (!(wanted <= static_cast<double>(kMaxTraceNs)))
      return fail("at so small a load the trace would last more than 73 years");
    factor = hours.even(wanted) / span;
  }
  if (!(span * factor <= static_cast<double>(kMaxTraceNs)))
    return fail("at so low a rate the trace lasts more than 73 years");
  for (TraceJob& j : trace.jobs) j.submit = Time{whole_ms(hours.clock(static_cast<double>(j.submit.ns) * factor))};
  return {};
}

void finish_generated(Trace& trace, const PoissonSpec& spec, std::string_view name) {
  trace.report.format = name;
  trace.report.rows = trace.report.kept = static_cast<std::int64_t>(trace.jobs.size());
  trace.has_estimates = spec.overestimate > 0;
  if (spec.overestimate <= 0) return;
  RandomStream claims = stream(spec.seed, "synth/estimates");
  for (TraceJob& j : trace.jobs) {
    const double factor = 1 + uniform01(claims) * (spec.overestimate - 1);
    j.estimate = Duration{std::max(whole_ms(static_cast<double>(j.duration.ns) * factor), kNsPerMs)};
  }
}

}  // namespace orrery
