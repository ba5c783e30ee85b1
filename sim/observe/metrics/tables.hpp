// The tables of a run as text: jobs.csv, samples.csv and summary.json, and the one table of metric definitions that
// every output takes its names, units and sentences from. Pure functions; the caller owns the sink.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "sim/core/text.hpp"
#include "sim/observe/metrics/fold.hpp"

namespace orrery {

struct MetricDefinition {
  const char* key;         // as in summary.json and compare --json: "mean_jct_s"
  const char* title;       // as in printed tables: "mean JCT"
  const char* unit;        // "s", "1" (a ratio), "count"
  const char* definition;  // one sentence
  double (*get)(const Summary&);
  bool integral;        // a count, printed without a fraction
  bool needs_finished;  // says nothing when no job finished
};

[[nodiscard]] const std::vector<MetricDefinition>& metric_definitions();
// The value, or nothing where the metric has none.
[[nodiscard]] std::optional<double> metric_value(const MetricDefinition& m, const Summary& s);

// Times in seconds as exact decimals of the nanoseconds; finish_s and jct_s empty unless finished,
// cpu_per_sample_s where the job did not measure it.
void write_jobs_csv(const MetricsFold& fold, const TextSink& sink);
void write_samples_csv(const SampleSeries& samples, const TextSink& sink);
[[nodiscard]] std::string summary_json(const Summary& s);

}  // namespace orrery
