#include "scenarios/report/intervals.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "scenarios/report/student_t.hpp"
#include "sim/core/random.hpp"

namespace orrery::report {
namespace {

double sum_of(const std::vector<double>& x) {
  double sum = 0;
  for (const double v : x) sum += v;
  return sum;
}

double mean(const std::vector<double>& x) {
  return sum_of(x) / static_cast<double>(x.size());
}

// Around exp(centre), by the logarithms that the statistic has when each observation in turn is left out.
Interval jackknifed(double centre, const std::vector<double>& left_out, double confidence) {
  const double n = static_cast<double>(left_out.size());
  const double m = mean(left_out);
  double squares = 0;
  for (const double v : left_out) squares += (v - m) * (v - m);
  const double half =
      student_t_quantile(0.5 + confidence / 2, left_out.size() - 1) * std::sqrt(squares * (n - 1) / n);
  return {portable_exp(centre - half), portable_exp(centre + half)};
}

bool same_seeds(const std::vector<CompareRow>& rows) {
  const auto equal = [](const SeedResult& a, const SeedResult& b) { return a.seed == b.seed; };
  return std::all_of(rows.begin(), rows.end(), [&](const CompareRow& r) {
    return std::equal(r.runs.begin(), r.runs.end(), rows[0].runs.begin(), rows[0].runs.end(), equal);
  });
}

// Seeds that change nothing are one observation, however many there are.
bool seeds_differ(const std::vector<CompareRow>& rows) {
  for (const CompareRow& r : rows)
    for (const SeedResult& run : r.runs)
      if (run.summary.mean_jct_s != r.runs[0].summary.mean_jct_s) return true;
  return false;
}

bool all_finished_some(const std::vector<CompareRow>& rows) {
  for (const CompareRow& r : rows)
    for (const SeedResult& run : r.runs)
      if (run.summary.finished == 0) return false;
  return true;
}

std::vector<double> mean_jcts(const CompareRow& row) {
  std::vector<double> x;
  for (const SeedResult& run : row.runs)
    if (run.summary.finished > 0) x.push_back(run.summary.mean_jct_s);
  return x;
}

void paired(const std::vector<CompareRow>& rows, double confidence, Comparison& out) {
  const std::vector<double> first = mean_jcts(rows[0]);
  for (std::size_t p = 0; p < rows.size(); ++p) {
    const std::vector<double> x = mean_jcts(rows[p]);
    out.policies[p].mean_jct_interval_s = mean_interval(x, confidence);
    if (p > 0) out.policies[p].ratio_interval = ratio_interval(x, first, confidence);
  }
}

// An interval holds the value that it is of.
Interval around(double value, const Interval& i) {
  return {std::min(value, i.low), std::max(value, i.high)};
}

void resampled(const Resamples& resamples, double confidence, Comparison& out) {
  for (std::size_t p = 0; p < out.policies.size(); ++p) {
    PolicyIntervals& of = out.policies[p];
    const std::vector<double>& draws = resamples.mean_jct_s[p];
    of.mean_jct_interval_s = around(*of.mean_jct_s, draws_interval(draws, confidence, Statistic::mean));
    if (p == 0) continue;
    std::vector<double> ratios;
    for (std::size_t k = 0; k < draws.size(); ++k) ratios.push_back(draws[k] / resamples.mean_jct_s[0][k]);
    of.ratio_interval = around(*of.ratio, draws_interval(ratios, confidence, Statistic::ratio));
  }
}

// Of every run; empty where some run has none.
std::vector<double> avoidable_delays(const CompareRow& row) {
  std::vector<double> x;
  for (const SeedResult& run : row.runs)
    if (const auto& delay = run.summary.study.avoidable_delay_s) x.push_back(*delay);
  return x.size() == row.runs.size() ? x : std::vector<double>{};
}

// What of the first policy's avoidable delay the others remove.
void fill_removed(const std::vector<CompareRow>& rows, double confidence, Comparison& out) {
  const std::vector<double> first = avoidable_delays(rows[0]);
  if (first.empty() || !(sum_of(first) > 0)) return;
  const auto above_0 = [](const std::vector<double>& x) {
    return std::all_of(x.begin(), x.end(), [](double v) { return v > 0; });
  };
  for (std::size_t p = 0; p < rows.size(); ++p) {
    const std::vector<double> x = avoidable_delays(rows[p]);
    if (x.empty()) continue;
    out.policies[p].removed = 1 - mean(x) / mean(first);
    if (p == 0 || out.method != IntervalMethod::paired || !above_0(x) || !above_0(first)) continue;
    const Interval left = ratio_interval(x, first, confidence);
    out.policies[p].removed_interval = Interval{1 - left.high, 1 - left.low};
  }
}

// The means as they are printed, and their ratios.
void fill_means(const std::vector<CompareRow>& rows, Comparison& out) {
  for (std::size_t p = 0; p < rows.size(); ++p) {
    const std::vector<double> x = mean_jcts(rows[p]);
    if (x.empty()) continue;
    out.policies[p].mean_jct_s = mean(x);
    const auto& base = out.policies[0].mean_jct_s;
    if (base && *base > 0) out.policies[p].ratio = *out.policies[p].mean_jct_s / *base;
  }
}

void of_recorded(const Resamples& resamples, double confidence, Comparison& out) {
  if (!resamples.refused.empty() || resamples.mean_jct_s.size() != out.policies.size()) {
    out.note = fmt::format("no interval: {}", resamples.refused.empty() ? "there are no draws" : resamples.refused);
    return;
  }
  out.method = IntervalMethod::resampled;
  out.note = fmt::format(
      "[low, high]: {:g} % intervals for one recorded trace: its jobs drawn again in blocks of about {}, with "
      "their gaps, and all policies simulated on each of {} draws",
      confidence * 100, resamples.block_jobs, resamples.mean_jct_s[0].size());
  resampled(resamples, confidence, out);
}

void of_generated(const std::vector<CompareRow>& rows, double confidence, Comparison& out) {
  const std::size_t seeds = rows[0].runs.size();
  if (!same_seeds(rows)) {
    out.note = "no interval: the policies were not run with the same seeds";
  } else if (seeds < kMinSeeds) {
    out.note = fmt::format("no interval: {} seed{}, at least {} are needed", seeds, seeds == 1 ? "" : "s", kMinSeeds);
  } else if (!seeds_differ(rows)) {
    out.note = fmt::format("no interval: all {} seeds gave the same results", seeds);
  } else {
    out.method = IntervalMethod::paired;
    out.note = fmt::format(
        "[low, high]: {:g} % intervals over {} seeds, paired by seed: Student's t of the logarithm of the mean and "
        "of "
        "the ratio of means, jackknifed",
        confidence * 100, seeds);
    paired(rows, confidence, out);
  }
}

}  // namespace

std::string_view to_string(IntervalMethod method) {
  switch (method) {
    case IntervalMethod::none: return "none";
    case IntervalMethod::paired: return "paired";
    case IntervalMethod::resampled: return "resampled";
  }
  return "?";
}

Interval mean_interval(const std::vector<double>& x, double confidence) {
  return ratio_interval(x, std::vector<double>(x.size(), 1.0), confidence);
}

Interval ratio_interval(const std::vector<double>& x, const std::vector<double>& first, double confidence) {
  const double all_x = sum_of(x), all_first = sum_of(first);
  std::vector<double> left_out;
  for (std::size_t i = 0; i < x.size(); ++i)
    left_out.push_back(portable_log((all_x - x[i]) / (all_first - first[i])));
  return jackknifed(portable_log(all_x / all_first), left_out, confidence);
}

Interval draws_interval(const std::vector<double>& draws, double confidence, Statistic of) {
  std::vector<double> sorted = draws;
  std::sort(sorted.begin(), sorted.end());
  const double middle = quantile(sorted, 0.5);
  const double low = quantile(sorted, 0.5 - confidence / 2), high = quantile(sorted, 0.5 + confidence / 2);
  Interval i;
  i.low = low > 0 ? middle * portable_exp(kStretchDown * portable_log(low / middle)) : 0;
  i.high = middle + (of == Statistic::mean ? kStretchMeanUp : kStretchDown) * (high - middle);
  if (of == Statistic::mean) return i;
  const double rest = (1 - confidence) / 10;
  return {std::min(i.low, quantile(sorted, rest)), std::max(i.high, quantile(sorted, 1 - rest))};
}

Comparison compare_rows(const std::vector<CompareRow>& rows, WorkloadKind workload, const Resamples& resamples,
                        bool wanted, double confidence) {
  Comparison out;
  out.policies.resize(rows.size());
  if (rows.empty() || rows[0].runs.empty()) {
    out.note = "no interval: nothing was run";
    return out;
  }
  fill_means(rows, out);
  if (!wanted)
    out.note = "no interval: none was asked for (`intervals: none`)";
  else if (!all_finished_some(rows))
    out.note = "no interval: in some runs no job finished";
  else if (workload == WorkloadKind::recorded)
    of_recorded(resamples, confidence, out);
  else
    of_generated(rows, confidence, out);
  fill_removed(rows, confidence, out);
  return out;
}

}  // namespace orrery::report
