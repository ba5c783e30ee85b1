#include "scenarios/report/intervals.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>
#include <boost/math/distributions/students_t.hpp>

#include "sim/core/random.hpp"

namespace orrery::report {
namespace {

double mean(const std::vector<double>& x) {
  double sum = 0;
  for (const double v : x) sum += v;
  return sum / static_cast<double>(x.size());
}

Interval t_interval(const std::vector<double>& x, double confidence) {
  const double n = static_cast<double>(x.size());
  const double m = mean(x);
  double squares = 0;
  for (const double v : x) squares += (v - m) * (v - m);
  const boost::math::students_t t(n - 1);
  const double half = boost::math::quantile(t, 0.5 + confidence / 2) * std::sqrt(squares / (n - 1) / n);
  return {m - half, m + half};
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
    std::vector<double> ratios;
    for (std::size_t i = 0; i < x.size(); ++i) ratios.push_back(x[i] / first[i]);
    PolicyIntervals& of = out.policies[p];
    of.mean_jct_interval_s = t_interval(x, confidence);
    of.ratio = mean(ratios);
    if (p > 0) of.ratio_interval = t_interval(ratios, confidence);
  }
}

// Prefix sums over jobs in submit order, so that a block costs two look-ups.
struct Prefix {
  std::vector<double> own{0}, both{0},
      first{0};  // sums of JCTs: finished; this and the first policy's where both did
  std::vector<std::size_t> own_n{0};
};

Prefix prefix_of(const std::vector<double>& jct, const std::vector<double>& reference) {
  Prefix p;
  for (std::size_t i = 0; i < jct.size(); ++i) {
    const bool own = !std::isnan(jct[i]);
    const bool both = own && !std::isnan(reference[i]);
    p.own.push_back(p.own.back() + (own ? jct[i] : 0));
    p.own_n.push_back(p.own_n.back() + (own ? 1 : 0));
    p.both.push_back(p.both.back() + (both ? jct[i] : 0));
    p.first.push_back(p.first.back() + (both ? reference[i] : 0));
  }
  return p;
}

// Each job's JCT averaged over the seeds, NaN unless it finished under all of them.
std::vector<double> job_means(const CompareRow& row) {
  std::vector<double> m(row.runs[0].jct_by_job_s.size(), 0.0);
  for (const SeedResult& run : row.runs)
    for (std::size_t i = 0; i < m.size(); ++i) m[i] += run.jct_by_job_s[i];
  for (double& v : m) v /= static_cast<double>(row.runs.size());
  return m;
}

std::size_t block_length(std::size_t jobs) {
  std::size_t root = 1;
  while (root * root * root < jobs) ++root;
  return std::min(5 * root, jobs);
}

Interval percentiles(std::vector<double> x, double confidence) {
  std::sort(x.begin(), x.end());
  return {quantile(x, 0.5 - confidence / 2), quantile(x, 0.5 + confidence / 2)};
}

void bootstrap(const std::vector<CompareRow>& rows, std::uint64_t seed, double confidence, Comparison& out) {
  const std::vector<double> reference = job_means(rows[0]);
  const std::size_t n = reference.size();
  const std::size_t block = block_length(n);
  std::vector<Prefix> prefix;
  for (const CompareRow& r : rows) prefix.push_back(prefix_of(job_means(r), reference));
  std::vector<std::vector<double>> means(rows.size());
  std::vector<std::vector<double>> ratios(rows.size());
  RandomStream random = stream(seed, "compare/bootstrap");
  std::vector<std::size_t> starts((n + block - 1) / block);
  for (int resample = 0; resample < kResamples; ++resample) {
    for (std::size_t& s : starts) s = uniform_below(random, n - block + 1);
    for (std::size_t p = 0; p < rows.size(); ++p) {
      const Prefix& x = prefix[p];
      double own = 0, both = 0, first = 0;
      std::size_t count = 0;
      for (std::size_t b = 0; b < starts.size(); ++b) {
        const std::size_t from = starts[b];
        const std::size_t to = from + std::min(block, n - b * block);  // the last block only fills up to n
        own += x.own[to] - x.own[from];
        both += x.both[to] - x.both[from];
        first += x.first[to] - x.first[from];
        count += x.own_n[to] - x.own_n[from];
      }
      if (count > 0) means[p].push_back(own / static_cast<double>(count));
      if (first > 0) ratios[p].push_back(both / first);
    }
  }
  for (std::size_t p = 0; p < rows.size(); ++p) {
    if (!means[p].empty()) out.policies[p].mean_jct_interval_s = percentiles(means[p], confidence);
    if (p == 0 || prefix[p].first.back() <= 0) continue;
    out.policies[p].ratio = prefix[p].both.back() / prefix[p].first.back();
    if (!ratios[p].empty()) out.policies[p].ratio_interval = percentiles(ratios[p], confidence);
  }
}

// Why a bootstrap over jobs cannot be done; "" when it can.
std::string no_bootstrap(const std::vector<CompareRow>& rows) {
  const std::size_t n = rows[0].runs[0].jct_by_job_s.size();
  for (const CompareRow& r : rows)
    for (const SeedResult& run : r.runs)
      if (run.jct_by_job_s.size() != n) return "no interval: the policies did not run the same jobs";
  if (n < kMinBootstrapJobs)
    return fmt::format("no interval: {} jobs are too few to resample (at least {})", n, kMinBootstrapJobs);
  return {};
}

}  // namespace

Comparison compare_rows(const std::vector<CompareRow>& rows, Workload workload, std::uint64_t seed,
                        double confidence) {
  Comparison out;
  out.policies.resize(rows.size());
  if (rows.empty() || rows[0].runs.empty()) {
    out.note = "no interval: nothing was run";
    return out;
  }
  for (std::size_t p = 0; p < rows.size(); ++p) {
    const std::vector<double> x = mean_jcts(rows[p]);
    if (x.empty()) continue;
    out.policies[p].mean_jct_s = mean(x);
    const auto& base = out.policies[0].mean_jct_s;
    if (base && *base > 0) out.policies[p].ratio = *out.policies[p].mean_jct_s / *base;
  }
  const double percent = confidence * 100;
  const std::size_t seeds = rows[0].runs.size();
  if (!same_seeds(rows)) {
    out.note = "no interval: the policies were not run with the same seeds";
  } else if (!all_finished_some(rows)) {
    out.note = "no interval: in some runs no job finished";
  } else if (seeds >= kMinSeeds && seeds_differ(rows)) {
    out.method = IntervalMethod::paired_t;
    out.note = fmt::format("± and [low, high]: {:g} % intervals over {} seeds, paired by seed (Student's t)", percent,
                           seeds);
    paired(rows, confidence, out);
  } else if (workload == Workload::recorded) {
    out.note = no_bootstrap(rows);
    if (!out.note.empty()) return out;
    out.method = IntervalMethod::block_bootstrap;
    out.note = fmt::format(
        "± and [low, high]: {:g} % intervals for one recorded trace, moving-block bootstrap over {} "
        "jobs in submit order (blocks of {}, {} resamples)",
        percent, rows[0].runs[0].jct_by_job_s.size(), block_length(rows[0].runs[0].jct_by_job_s.size()), kResamples);
    bootstrap(rows, seed, confidence, out);
  } else if (seeds >= kMinSeeds) {
    out.note = fmt::format("no interval: all {} seeds gave the same results", seeds);
  } else {
    out.note = fmt::format("no interval: {} seed{}, at least {} are needed", seeds, seeds == 1 ? "" : "s", kMinSeeds);
  }
  return out;
}

}  // namespace orrery::report
