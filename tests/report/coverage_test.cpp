// Do the intervals of a recorded trace hold what they promise? By experiment: traces of a known kind, the mean of a
// statistic over a thousand of them, and how often the interval that `compare` gives for one of them holds it. How
// wide it is, is told as a multiple of the range that holds 95 % of the statistic over these traces.
//   orrery_tests '[coverage]'               one kind, 40 traces: what continuous integration runs
//   scripts/coverage [KIND...]              all kinds (the hidden test cases tagged [.coverage-all])
#include <fmt/format.h>
#include <catch2/catch.hpp>

#include <algorithm>
#include <cstdlib>
#include <thread>

#include "scenarios/run/resample_runs.hpp"
#include "scenarios/spec/scenario_reader.hpp"
#include "sim/core/random.hpp"

using namespace orrery;
using namespace orrery::app;

namespace {

struct CoverageKind {
  const char* name;
  int jobs;
  double load;
  double sigma;  // of ln(run time); 0 = exponential run times
  int run;       // mean length of a run of equal submissions; 1 = independent ones
};

constexpr CoverageKind kCoverageKinds[] = {
    {"light tails, load 0.5, 200 jobs", 200, 0.5, 0, 1},
    {"light tails, load 0.8, 1000 jobs", 1000, 0.8, 0, 1},
    {"heavy tails, load 0.7, 500 jobs", 500, 0.7, 1.5, 1},
    {"runs of submissions, load 0.6, 1000 jobs", 1000, 0.6, 0, 5},
    {"heavy tails, load 0.95, 2000 jobs", 2000, 0.95, 1.5, 1},
};
constexpr const char* kPolicies[] = {"fifo", "srtf"};

const char* const kScenario = R"(version: 1
cluster: { groups: [{ name: n, count: 4, gpus_per_node: 8, gpu: any }] }
workload: { trace: made-here.csv }
check: false
)";

// A trace of this kind on 32 GPUs; the load is that of the law, and each trace has its own.
Trace trace_of(const CoverageKind& kind, std::uint64_t seed) {
  RandomStream random = stream(seed, fmt::format("coverage/{}", kind.name));
  constexpr std::int32_t kGpus[] = {1, 2, 4, 8};
  const double mean_s = 3600, mean_gpus = 0.6 * 1 + 0.2 * 2 + 0.12 * 4 + 0.08 * 8;
  const double gap_s = mean_gpus * mean_s / (32 * kind.load);
  Trace t;
  double at_s = 0;
  while (static_cast<int>(t.jobs.size()) < kind.jobs) {
    const int length = kind.run == 1 ? 1 : 1 + static_cast<int>(exponential(random, kind.run - 0.5));
    at_s += exponential(random, gap_s * kind.run);
    const double u = uniform01(random);
    const std::int32_t gpus = kGpus[u < 0.6 ? 0 : u < 0.8 ? 1 : u < 0.92 ? 2 : 3];
    const double typical_s =
        kind.sigma > 0 ? mean_s * portable_exp(kind.sigma * standard_normal(random) - kind.sigma * kind.sigma / 2)
                       : exponential(random, mean_s);
    for (int i = 0; i < length && static_cast<int>(t.jobs.size()) < kind.jobs; ++i) {
      const double run_s = kind.run == 1 ? typical_s : typical_s * (0.8 + 0.4 * uniform01(random));
      TraceJob j;
      j.job_id = fmt::format("j{}", t.jobs.size());
      j.submit = Time{static_cast<std::int64_t>((at_s + 2.0 * i) * 1e9)};
      j.gpus = gpus;
      j.duration = Duration{static_cast<std::int64_t>(run_s * 1e9) + 1};
      t.jobs.push_back(std::move(j));
    }
  }
  std::stable_sort(t.jobs.begin(), t.jobs.end(),
                   [](const TraceJob& a, const TraceJob& b) { return a.submit < b.submit; });
  return t;
}

struct Statistics {
  double values[3];  // the mean JCT of each policy, and the ratio
};

class Experiment {
 public:
  explicit Experiment(const CoverageKind& kind) : kind_(kind) {
    auto s = read_scenario_text("coverage.yaml", kScenario);
    if (!s) FAIL(render(s.error()));
    scenario_ = *std::move(s);
    for (const char* name : kPolicies) policies_.push_back(policy_named(scenario_, name));
  }

  // The statistics of `traces` independent traces, seeds 1, 2, ...
  std::vector<Statistics> truths(int traces) const {
    std::vector<Statistics> all;
    for (int k = 0; k < traces; ++k) all.push_back(of(rows_of(trace_of(kind_, static_cast<std::uint64_t>(k) + 1))));
    return all;
  }

  report::Comparison comparison(std::uint64_t seed, unsigned threads) const {
    const Trace trace = trace_of(kind_, seed);
    const Prepared like = prepared(trace);
    ResampleRequest request;
    request.scenario = &scenario_;
    request.like = &like;
    request.trace = &trace;
    request.policies = policies_;
    request.threads = threads;
    REQUIRE(no_resamples(scenario_, trace, policies_).empty());
    return report::compare_rows(rows_of(trace), report::WorkloadKind::recorded, run_resamples(request));
  }

 private:
  Prepared prepared(const Trace& trace) const {
    static const Prepared kNothing;  // a temporary one makes GCC warn of what it never reads
    return prepare_drawn(scenario_, kNothing, trace).value();
  }
  std::vector<report::CompareRow> rows_of(const Trace& trace) const {
    const Prepared p = prepared(trace);
    std::vector<report::CompareRow> rows;
    for (const PolicyConfig& policy : policies_) {
      RunRequest request;
      request.policy = policy;
      const auto report = simulate(p, request);
      REQUIRE(report);
      REQUIRE(report->failure.empty());
      rows.push_back({policy.name, {report->result}});
    }
    return rows;
  }
  static Statistics of(const std::vector<report::CompareRow>& rows) {
    const double a = rows[0].runs[0].summary.mean_jct_s, b = rows[1].runs[0].summary.mean_jct_s;
    return {{a, b, b / a}};
  }

  CoverageKind kind_;
  Scenario scenario_;
  std::vector<PolicyConfig> policies_;
};

struct Covered {
  double coverage = 0, mean_width = 0, median_width = 0;  // widths as multiples of the 95 % range
};

// Of the mean JCTs and their ratio.
std::vector<Covered> measure(const CoverageKind& kind, int truths, int traces) {
  const Experiment experiment(kind);
  const std::vector<Statistics> all = experiment.truths(truths);
  double mean[3] = {}, range[3] = {};
  for (int s = 0; s < 3; ++s) {
    std::vector<double> x;
    for (const Statistics& one : all) x.push_back(one.values[s]);
    for (const double v : x) mean[s] += v / static_cast<double>(x.size());
    std::sort(x.begin(), x.end());
    range[s] = quantile(x, 0.975) - quantile(x, 0.025);
  }
  const unsigned threads = std::max(1U, std::thread::hardware_concurrency());
  std::vector<Covered> out(3);
  std::vector<std::vector<double>> widths(3);
  for (int k = 0; k < traces; ++k) {
    const report::Comparison c = experiment.comparison(static_cast<std::uint64_t>(k) + 100'001, threads);
    const std::optional<report::Interval> intervals[3] = {
        c.policies[0].mean_jct_interval_s, c.policies[1].mean_jct_interval_s, c.policies[1].ratio_interval};
    for (std::size_t s = 0; s < 3; ++s) {
      REQUIRE(intervals[s]);
      if (intervals[s]->low <= mean[s] && mean[s] <= intervals[s]->high) out[s].coverage += 1.0 / traces;
      widths[s].push_back(intervals[s]->width() / range[s]);
    }
  }
  for (std::size_t s = 0; s < 3; ++s) {
    for (const double w : widths[s]) out[s].mean_width += w / traces;
    std::sort(widths[s].begin(), widths[s].end());
    out[s].median_width = quantile(widths[s], 0.5);
  }
  return out;
}

int from_environment(const char* name, int otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::atoi(text);
}

}  // namespace

TEST_CASE("coverage: intervals of 40 traces of one kind", "[coverage][slow]") {
  for (const Covered& o : measure(kCoverageKinds[0], 1000, 40)) {
    CHECK(o.coverage >= 0.9);
    CHECK(o.median_width <= 2);
  }
}

TEST_CASE("coverage: all kinds", "[.][slow][coverage-all]") {
  const int wanted = from_environment("ORRERY_COVERAGE_KIND", 0);  // 1 to 5; 0 = all
  const int traces = from_environment("ORRERY_COVERAGE_TRACES", 200);
  const int truths = from_environment("ORRERY_COVERAGE_TRUTHS", 1000);
  for (int k = 1; k <= static_cast<int>(std::size(kCoverageKinds)); ++k) {
    if (wanted != 0 && wanted != k) continue;
    const CoverageKind& kind = kCoverageKinds[k - 1];
    const std::vector<Covered> out = measure(kind, truths, traces);
    const char* const names[] = {"mean JCT, fifo", "mean JCT, srtf", "srtf / fifo"};
    for (std::size_t s = 0; s < 3; ++s) {
      fmt::print("| {} | {} | {:.1f} % | {:.2f} | {:.2f} |\n", kind.name, names[s], 100 * out[s].coverage,
                 out[s].median_width, out[s].mean_width);
      std::fflush(stdout);
      CHECK(out[s].coverage >= 0.9);
      CHECK(out[s].median_width <= 2);
      CHECK(out[s].mean_width <= 2);
    }
  }
}
