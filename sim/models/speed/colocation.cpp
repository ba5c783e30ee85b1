#include "sim/models/speed/colocation.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "sim/core/assert.hpp"

namespace orrery {

Interleaving interleave(std::span<const StageTimes> jobs) {
  ORRERY_ASSERT(!jobs.empty() && jobs.size() <= 4, "{} jobs to interleave", jobs.size());
  // Jobs take four places in turn; empty places are jobs of no time. Where they stand matters, so all are tried.
  std::array<std::size_t, 4> place{};
  for (std::size_t i = 0; i < 4; ++i) place[i] = i;
  const auto stage = [&](std::size_t job, std::size_t i) { return job < jobs.size() ? jobs[job][i] : 0.0; };
  Interleaving out;
  bool first = true;
  do {
    double time = 0;
    for (std::size_t i = 0; i < 4; ++i) {
      double longest = 0;
      for (std::size_t j = 0; j < 4; ++j) longest = std::max(longest, stage(place[j], (i + 4 - j) % 4));
      time += longest;
    }
    if (first || time < out.time_s) out.time_s = time;
    first = false;
  } while (std::next_permutation(place.begin(), place.end()));
  double all = 0;
  for (const StageTimes& t : jobs) {
    const double alone = t[0] + t[1] + t[2] + t[3];
    all += alone;
    out.speed.push_back(out.time_s > 0 ? alone / out.time_s : 1);
  }
  out.efficiency = out.time_s > 0 ? all / (4 * out.time_s) : 0;
  return out;
}

std::optional<double> colocated_speed(std::span<const double> demands, std::span<const double> memory) {
  if (std::accumulate(memory.begin(), memory.end(), 0.0) > 1) return std::nullopt;
  const double use = std::accumulate(demands.begin(), demands.end(), 0.0);
  const auto k = static_cast<double>(demands.size());
  return std::max(0.0, 1 - 0.05 * (k - 1)) / std::max(use, 1.0);
}

double time_sliced_speed(double share) {
  return share * (1 - 0.02);
}

double gang_speed(std::span<const double> speeds) {
  ORRERY_ASSERT(!speeds.empty(), "a gang without ranks");
  return *std::min_element(speeds.begin(), speeds.end());
}

PackingLabel packing_label(double mean_colocated_speed) {
  if (mean_colocated_speed >= 0.95) return PackingLabel::tiny;
  return mean_colocated_speed >= 0.85 ? PackingLabel::medium : PackingLabel::jumbo;
}

double straggler_inflation(int ranks, int micro_batches, double variation) {
  ORRERY_ASSERT(ranks >= 1 && micro_batches >= 1, "{} ranks, {} micro-batches", ranks, micro_batches);
  const double spread = std::sqrt(2 * std::log(ranks));  // tidy: allow not in the event path
  return 1 + variation * spread / std::sqrt(micro_batches);
}

}  // namespace orrery
