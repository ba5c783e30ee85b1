// How much jobs slow each other down on one GPU, and how much one slow rank slows a gang. Three sources, best first:
// measured pairs; known stages of an iteration, interleaved (Zhao et al., Muri, SIGCOMM 2022); else an assumption of
// ours from the jobs' demands on the GPU. Speeds are shares of the speed alone. Pure functions.
#pragma once

#include <array>
#include <optional>
#include <span>
#include <vector>

#include "sim/core/units.hpp"

namespace orrery {

// Seconds of one iteration on storage, CPU, GPU and network.
using StageTimes = std::array<double, 4>;
struct Interleaving {
  double time_s = 0;          // of one iteration of the whole group
  double efficiency = 0;      // sum of all stages / (4 time): how busy the four resources are
  std::vector<double> speed;  // [job] time alone / time in the group
};
// At most four jobs, one stage of each at a time: T = sum_i max_j t_j[(i - j) mod 4], the best of all orders.
[[nodiscard]] Interleaving interleave(std::span<const StageTimes> jobs);

// Shares of the GPU's multiprocessors that each of k jobs would use alone, in sum U: each runs at (1 - 0.05 (k - 1))
// / max(U, 1). Nothing where their memory, as shares of the GPU's, does not fit. Our assumption, from no paper.
[[nodiscard]] std::optional<double> colocated_speed(std::span<const double> demands, std::span<const double> memory);
// With time slices: the share, less 2 % for switching.
[[nodiscard]] double time_sliced_speed(double share);
// The same of `jobs` that take turns on one GPU, each as long as the others: all together never more than one alone.
[[nodiscard]] constexpr Rate in_turns(Rate alone, std::int64_t jobs) {
  if (jobs <= 1) return alone;
  return {static_cast<std::int64_t>(static_cast<Int128>(alone.per_billion) * 98 / (100 * jobs))};
}

// A gang is as fast as its slowest rank.
[[nodiscard]] double gang_speed(std::span<const double> speeds);

// Lucid's labels (Hu et al., ASPLOS 2023), by the mean speed of a job next to others.
enum class PackingLabel { tiny, medium, jumbo };
[[nodiscard]] PackingLabel packing_label(double mean_colocated_speed);

// Stragglers by chance: D ranks wait for the slowest at every step of m micro-batches whose times vary by a
// coefficient of variation c. Expected slow-down 1 + c sqrt(2 ln D) / sqrt(m) (maximum of Gaussians, asymptotically;
// an upper bound).
[[nodiscard]] double straggler_inflation(int ranks, int micro_batches, double variation);

}  // namespace orrery
