#include "sim/models/transfer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "sim/core/assert.hpp"
#include "sim/core/random.hpp"

namespace orrery {
namespace {

constexpr double kSaturation = 0.3;  // q0
constexpr std::int64_t kWhole = 1'000'000'000;

// x^p for x > 0.
double power(double x, double p) {
  return portable_exp(p * portable_log(x));
}

}  // namespace

std::int64_t transfer_share(std::int32_t progress_per_mille) {
  ORRERY_ASSERT(progress_per_mille >= 0 && progress_per_mille <= 1000, "progress {}", progress_per_mille);
  if (progress_per_mille == 1000) return kWhole;
  const double q = progress_per_mille / 1000.0;
  const double share = (1 - portable_exp(-q / kSaturation)) / (1 - portable_exp(-1 / kSaturation));
  return std::llround(share * static_cast<double>(kWhole));
}

Work transfer_work(Work base, std::int32_t gain_per_mille, std::int32_t progress_per_mille) {
  ORRERY_ASSERT(gain_per_mille <= kMaxGainPerMille, "a gain of {} per mille", gain_per_mille);
  const Int128 saved =
      static_cast<Int128>(base.ns) * gain_per_mille * transfer_share(progress_per_mille) / (Int128{1000} * kWhole);
  const Int128 left = static_cast<Int128>(base.ns) - saved;
  return {static_cast<std::int64_t>(std::clamp(left, Int128{1}, static_cast<Int128>(kForever.ns / 2)))};
}

double data_transferred(const TransferLaw& law, double fine_tuning_data, double parameters) {
  return law.k * power(fine_tuning_data, law.alpha) * power(parameters, law.beta);
}

double data_multiplier(const TransferLaw& law, double fine_tuning_data, double parameters) {
  return 1 + data_transferred(law, fine_tuning_data, parameters) / fine_tuning_data;
}

std::int32_t drawn_gain(const GainLaw& law, std::uint64_t seed, std::string_view source, std::string_view target) {
  RandomStream rng = stream(seed, fmt::format("transfer/{}->{}", source, target));
  const double u = uniform01(rng);
  if (u < law.positive) {
    const double ratio = std::min(1.1 * portable_exp(std::min(exponential(rng, law.mean_log_ratio), 5.0)), 8.0);
    return static_cast<std::int32_t>(std::llround(1000 * (1 - 1 / ratio)));
  }
  if (u < law.positive + law.negative) {
    const double loss = std::clamp(exponential(rng, law.mean_loss), 0.05, 5.0);
    return -static_cast<std::int32_t>(std::llround(1000 * loss));
  }
  return 0;
}

std::vector<std::vector<std::int32_t>> publish_points(const PublishModel& model, const std::vector<JobSpec>& specs) {
  std::vector<std::vector<std::int32_t>> points;
  for (const JobSpec& spec : specs) {
    if (!spec.after.empty() && points.empty()) points.resize(specs.size());
    for (const Dependency& d : spec.after) {
      std::vector<std::int32_t>& of_parent = points[d.parent.index()];
      if (of_parent.empty() && model.every_per_mille > 0)
        for (std::int32_t p = model.every_per_mille; p < 1000; p += model.every_per_mille) of_parent.push_back(p);
      const auto at = std::lower_bound(of_parent.begin(), of_parent.end(), d.progress_per_mille);
      const bool there = at != of_parent.end() && *at == d.progress_per_mille;
      if (d.hard && d.progress_per_mille < 1000 && !there) of_parent.insert(at, d.progress_per_mille);
    }
  }
  return points;
}

}  // namespace orrery
