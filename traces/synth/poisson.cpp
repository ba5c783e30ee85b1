#include "traces/synth/poisson.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "sim/core/quantity.hpp"
#include "sim/core/random.hpp"
#include "traces/format/formats.hpp"
#include "traces/synth/draws.hpp"

namespace orrery {
namespace {

constexpr std::int64_t kMillisecond = 1'000'000;

// At most as long as a trace may last.
std::int64_t to_whole_ms(double ns) {
  return std::llround(std::min(ns, static_cast<double>(kMaxTraceNs)) / static_cast<double>(kMillisecond)) *
         kMillisecond;
}

std::int32_t draw_gpus(RandomStream& rng, const PoissonSpec& spec, double total) {
  double u = uniform01(rng) * total;
  for (const auto& [gpus, weight] : spec.gpu_mix) {
    if (u < weight) return gpus;
    u -= weight;
  }
  return spec.gpu_mix.back().first;
}

double draw_duration_ns(RandomStream& rng, const PoissonSpec& spec) {
  const auto mean = static_cast<double>(spec.mean.ns);
  if (spec.law == DurationLaw::exponential) return exponential(rng, mean);
  // ln-mean chosen so that the mean of the run time is `mean`.
  const double mu = portable_log(mean) - spec.sigma * spec.sigma / 2;
  return portable_exp(std::clamp(mu + spec.sigma * standard_normal(rng), 0.0, 41.0));
}

}  // namespace

Expected<Trace> generate_poisson(const PoissonSpec& spec) {
  RandomStream arrivals = stream(spec.seed, "synth/arrivals");
  RandomStream sizes = stream(spec.seed, "synth/gpus");
  RandomStream durations = stream(spec.seed, "synth/durations");
  RandomStream tenants = stream(spec.seed, "synth/tenants");
  RandomStream claims = stream(spec.seed, "synth/estimates");
  double total = 0;
  for (const auto& [gpus, weight] : spec.gpu_mix) total += weight;
  const double gap = gap_ns(spec);

  Trace trace;
  trace.report.format = "poisson";
  trace.has_estimates = spec.overestimate > 0;
  double at_ns = 0;
  for (std::int64_t i = 0; i < spec.jobs; ++i) {
    TraceJob j;
    j.job_id = fmt::format("j{}", i + 1);
    if (at_ns > static_cast<double>(kMaxTraceNs)) return fail("at so low a rate the trace lasts more than 73 years");
    j.submit = Time{std::llround(at_ns)};
    at_ns += exponential(arrivals, gap);
    j.gpus = draw_gpus(sizes, spec, total);
    j.duration = Duration{std::max(kMillisecond, to_whole_ms(draw_duration_ns(durations, spec)))};
    if (spec.tenants > 0)
      j.tenant = fmt::format("u{}", 1 + uniform_below(tenants, static_cast<std::uint64_t>(spec.tenants)));
    if (spec.overestimate > 0) {
      const double factor = 1 + uniform01(claims) * (spec.overestimate - 1);
      j.estimate = Duration{to_whole_ms(static_cast<double>(j.duration.ns) * factor)};
    }
    trace.jobs.push_back(std::move(j));
  }
  if (spec.load)
    if (auto ok = scale_to_load(trace, *spec.load, spec.cluster_gpus); !ok) return tl::make_unexpected(ok.error());
  for (TraceJob& j : trace.jobs) j.submit = Time{to_whole_ms(static_cast<double>(j.submit.ns))};
  trace.report.rows = trace.report.kept = spec.jobs;
  return trace;
}

tl::expected<std::vector<std::pair<std::int32_t, double>>, std::string> parse_gpu_mix(std::string_view text) {
  std::vector<std::pair<std::int32_t, double>> mix;
  while (!text.empty()) {
    const std::string_view item = text.substr(0, text.find(','));
    text.remove_prefix(std::min(text.size(), item.size() + 1));
    const std::size_t colon = item.find(':');
    const std::string_view gpus_text = item.substr(0, colon);
    std::int32_t gpus = 0;
    const auto [end, error] = std::from_chars(gpus_text.data(), gpus_text.data() + gpus_text.size(), gpus);
    const auto weight = colon == std::string_view::npos ? std::optional<std::int64_t>(1'000'000)
                                                        : parse_fixed(item.substr(colon + 1), 6);
    if (error != std::errc{} || end != gpus_text.data() + gpus_text.size() || gpus < 1 || !weight || *weight <= 0)
      return tl::make_unexpected(fmt::format("`{}` is no GPUs:weight", item));
    mix.emplace_back(gpus, static_cast<double>(*weight) / 1e6);
  }
  if (mix.empty()) return tl::make_unexpected(std::string("the mix is empty"));
  return mix;
}

}  // namespace orrery
