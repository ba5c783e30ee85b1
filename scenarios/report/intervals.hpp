// Confidence intervals of a comparison, or the honest reason why there are none:
//   five or more seeds that differ   paired by seed, Student's t, of the mean JCT and of its ratio to the first
//                                    policy (the mean of the per-seed ratios);
//   one recorded trace               moving-block bootstrap (Kuensch 1989) over jobs in submit order, percentile
//                                    interval; all policies are resampled with the same blocks. Blocks of
//                                    5 * ceil(n^(1/3)) jobs keep the dependence of jobs that queue together.
// Ratios of the bootstrap are over the jobs that finished under both policies.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "scenarios/report/row.hpp"

namespace orrery::report {

inline constexpr std::size_t kMinSeeds = 5;
inline constexpr std::size_t kMinBootstrapJobs = 50;
inline constexpr int kResamples = 1000;

enum class Workload { generated, recorded };  // does each seed draw another workload?
enum class IntervalMethod { none, paired_t, block_bootstrap };

struct Interval {
  double low = 0, high = 0;
  [[nodiscard]] double half_width() const { return (high - low) / 2; }
};

struct PolicyIntervals {
  std::optional<double> mean_jct_s;  // over seeds; none when nothing finished
  std::optional<double> ratio;       // to the first policy
  std::optional<Interval> mean_jct_interval_s;
  std::optional<Interval> ratio_interval;
};

struct Comparison {
  IntervalMethod method = IntervalMethod::none;
  std::string note;                       // one sentence: what the intervals are, or why there are none
  std::vector<PolicyIntervals> policies;  // as the rows
};

// `seed` is of the random stream "compare/bootstrap".
[[nodiscard]] Comparison compare_rows(const std::vector<CompareRow>& rows, Workload workload, std::uint64_t seed,
                                      double confidence = 0.95);

}  // namespace orrery::report
