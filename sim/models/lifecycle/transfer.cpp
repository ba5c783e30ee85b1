#include "sim/models/lifecycle/transfer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "sim/core/assert.hpp"
#include "sim/core/random.hpp"

namespace orrery {
namespace {

constexpr std::int64_t kWhole = 1'000'000'000;

// x^p for x > 0.
double to_the(double x, double p) {
  return portable_exp(p * portable_log(x));
}

// The exponential law's value below which a share `u` < 1 of it lies.
double exponential_at(double mean, double u) {
  return -mean * portable_log(1 - u);
}

// The gain, per mille, at `u` in [0, 1) of the law: those that gain first, then those that lose.
std::int32_t gain_at(const GainLaw& law, double u) {
  if (u < law.positive) {
    const double log_ratio = std::min(exponential_at(law.mean_log_ratio, u / law.positive), 5.0);
    return static_cast<std::int32_t>(std::llround(1000 * (1 - 1 / std::min(1.1 * portable_exp(log_ratio), 8.0))));
  }
  u -= law.positive;
  if (u >= law.negative) return 0;
  const double loss = std::clamp(exponential_at(law.mean_loss, u / law.negative), 0.05, 5.0);
  return -static_cast<std::int32_t>(std::llround(1000 * loss));
}

}  // namespace

Work transfer_work(Work base, std::int32_t gain_per_mille, std::int32_t progress_per_mille) {
  ORRERY_ASSERT(gain_per_mille <= kMaxGainPerMille, "a gain of {} per mille", gain_per_mille);
  const Int128 saved =
      static_cast<Int128>(base.ns) * gain_per_mille * transfer_share(progress_per_mille) / (Int128{1000} * kWhole);
  const Int128 left = static_cast<Int128>(base.ns) - saved;
  return {static_cast<std::int64_t>(std::clamp(left, Int128{1}, static_cast<Int128>(kForever.ns / 2)))};
}

Work transfer_work(const JobSpec& spec, Work base, std::int32_t gain_per_mille, std::int32_t progress_per_mille) {
  if (spec.features.set == 0) return transfer_work(base, gain_per_mille, progress_per_mille);
  const Work pass{std::min(spec.features.time.ns, base.ns - 1)};
  return pass + transfer_work(base - pass, gain_per_mille, progress_per_mille);
}

double data_transferred(const TransferLaw& law, double fine_tuning_data, double parameters) {
  return law.k * to_the(fine_tuning_data, law.alpha) * to_the(parameters, law.beta);
}

double data_multiplier(const TransferLaw& law, double fine_tuning_data, double parameters) {
  return 1 + data_transferred(law, fine_tuning_data, parameters) / fine_tuning_data;
}

std::string wrong_with(const GainLaw& law) {
  if (law.positive + law.negative > 1)
    return fmt::format("`positive` + `negative` is {:.3g}, more than all", law.positive + law.negative);
  if (!(law.own_modality > 0)) return "`own_modality` must be above 0";
  return {};
}

GainLaw law_of_modality(const GainLaw& law, double known, bool knows) {
  GainLaw own = law;
  const double mean = 1 + known * (law.own_modality - 1);
  own.positive = std::min(law.positive * (knows ? law.own_modality : 1) / mean, 1 - law.negative);
  return own;
}

std::vector<std::int32_t> drawn_gains(const GainLaw& law, std::uint64_t seed, std::string_view source,
                                      std::string_view family, std::size_t targets) {
  RandomStream rng = stream(seed, fmt::format("transfer/{}->{}", source, family));
  std::vector<std::int32_t> gains;
  for (std::size_t i = 0; i < targets; ++i)
    gains.push_back(gain_at(law, (static_cast<double>(i) + uniform01(rng)) / static_cast<double>(targets)));
  for (std::size_t i = targets; i > 1; --i) std::swap(gains[i - 1], gains[uniform_below(rng, i)]);
  return gains;
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
