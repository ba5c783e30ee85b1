// Confidence intervals of a comparison, or the honest reason why there are none:
//   five or more seeds that differ   of generated workloads: paired by seed; Student's t of the logarithm of the mean
//                                    over seeds, and of the ratio of these means to the first policy's, both with
//                                    jackknife standard errors (Tukey 1958). On the logarithm, because means over few
//                                    seeds of a queue are skewed, and as the ratio of the means that are printed;
//   one recorded trace               the trace is drawn again in blocks of jobs and every policy simulated on each of
//                                    the draws, the same for all (resample_runs.hpp): from the draws' quantiles.
// docs/intervals.md says what each covers, measured.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "scenarios/report/row.hpp"

namespace orrery::report {

inline constexpr std::size_t kMinSeeds = 5;

enum class WorkloadKind { generated, recorded };  // does each seed draw another workload?
enum class IntervalMethod { none, paired, resampled };
[[nodiscard]] std::string_view to_string(IntervalMethod method);

struct Interval {
  double low = 0, high = 0;
  [[nodiscard]] double width() const { return high - low; }
};

// What was simulated on draws of a recorded trace, or why nothing was.
struct Resamples {
  std::vector<std::vector<double>> mean_jct_s{};  // [policy, as the rows][draw]
  std::size_t block_jobs = 0;                     // of a block, on average
  std::string refused{};                          // "" = there are draws
};

struct PolicyIntervals {
  std::optional<double> mean_jct_s;  // over seeds; none when nothing finished
  std::optional<double> ratio;       // of the mean to the first policy's
  std::optional<Interval> mean_jct_interval_s;
  std::optional<Interval> ratio_interval;  // none of the first policy
  // The share of the first policy's avoidable delay that this one removes: 1 - the ratio of their means over seeds.
  // No value where the first has none to remove; an interval, paired by seed, where all are above 0.
  std::optional<double> removed;
  std::optional<Interval> removed_interval;
};

struct Comparison {
  IntervalMethod method = IntervalMethod::none;
  std::string note;                       // one sentence: what the intervals are, or why there are none
  std::vector<PolicyIntervals> policies;  // as the rows
};

// `resamples` are of a recorded workload; a generated one's intervals come from its seeds, unless `wanted` is false.
[[nodiscard]] Comparison compare_rows(const std::vector<CompareRow>& rows, WorkloadKind workload,
                                      const Resamples& resamples, bool wanted = true, double confidence = 0.95);

// The interval of a mean over seeds, and of the ratio of two, paired; at least two values, all > 0.
[[nodiscard]] Interval mean_interval(const std::vector<double>& x, double confidence);
[[nodiscard]] Interval ratio_interval(const std::vector<double>& x, const std::vector<double>& first,
                                      double confidence);
// The interval of a statistic (> 0) from its values on draws of the trace: their quantiles, stretched from the
// median, downwards as a ratio and upwards as a difference, since a trace that has none of the rare large jobs or
// full hours draws none; of a mean further upwards, where that is missed. Of a ratio it is also no narrower than 99 %
// of the draws, most of which may be equal (docs/intervals.md).
enum class Statistic { mean, ratio };
inline constexpr double kStretchDown = 1.4, kStretchMeanUp = 1.6;
[[nodiscard]] Interval draws_interval(const std::vector<double>& draws, double confidence, Statistic of);

}  // namespace orrery::report
