// Generated workloads with known properties: Poisson arrivals, a mix of GPU counts, exponential or log-normal run
// times. Each property draws from its own named stream, so changing one leaves the others as they were. Same
// specification and seed, same bytes, on every machine.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "traces/format/canonical.hpp"

namespace orrery {

enum class DurationLaw : std::uint8_t { exponential, lognormal };

struct PoissonSpec {
  std::int64_t jobs = 1000;
  // Exactly one of the two: arrivals per 10^9 hours, or the offered load on `cluster_gpus` GPUs (met exactly).
  std::optional<std::int64_t> rate_per_1e9_h;
  std::optional<double> load;
  std::int64_t cluster_gpus = 0;
  std::vector<std::pair<std::int32_t, double>> gpu_mix{{1, 1.0}};  // (GPUs, weight)
  DurationLaw law = DurationLaw::exponential;
  Duration mean = seconds(3600);  // of the run time
  double sigma = 1.5;             // log-normal: standard deviation of ln(run time)
  std::int32_t tenants = 0;       // u1..un, uniformly; 0 = none
  double overestimate = 0;        // > 1: users claim up to so many times the run time, uniformly; 0 = no estimates
  std::uint64_t seed = 1;
};

// Times in whole milliseconds, run times at least 1 ms.
[[nodiscard]] Expected<Trace> generate_poisson(const PoissonSpec& spec);

// "1:0.7,2:0.1,8:0.2" (GPUs : weight).
[[nodiscard]] tl::expected<std::vector<std::pair<std::int32_t, double>>, std::string> parse_gpu_mix(
    std::string_view text);

}  // namespace orrery
