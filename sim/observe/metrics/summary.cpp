// The results of a fold: rows, and the summary with its order statistics.
#include <algorithm>
#include <cmath>
#include <limits>

#include "sim/core/assert.hpp"
#include "sim/observe/metrics/fold.hpp"

namespace orrery {

double quantile(const std::vector<double>& sorted, double q) {
  ORRERY_ASSERT(!sorted.empty() && q >= 0 && q <= 1, "quantile {} of {} values", q, sorted.size());
  const double at = q * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(std::floor(at));
  if (below + 1 >= sorted.size()) return sorted.back();
  const double t = at - static_cast<double>(below);
  const double step = sorted[below + 1] - sorted[below];
  // numpy's form: exact at both ends
  return t < 0.5 ? sorted[below] + step * t : sorted[below + 1] - step * (1 - t);
}

void sort_for_quantiles(std::vector<double>& values, std::initializer_list<double> quantiles) {
  auto from = values.begin();  // what is before is in its place, and less
  for (const double q : quantiles) {
    if (values.empty()) return;
    const double at = q * static_cast<double>(values.size() - 1);
    const auto below = values.begin() + static_cast<std::ptrdiff_t>(std::floor(at));
    for (const auto place : {below, below + 1}) {
      if (place < from || place >= values.end()) continue;
      std::nth_element(from, place, values.end());
      from = place + 1;
    }
  }
}

JobRow MetricsFold::row(JobId id) const {
  JobRow r{numbers(id)};
  const JobInfo& info = (*table_)[id.index()];
  r.name = info.name;
  r.tenant = info.tenant;
  r.model = info.model;
  r.kind = info.kind;
  return r;
}

JobNumbers MetricsFold::numbers(JobId id) const {
  const Job& j = jobs_[id.index()];
  JobNumbers r;
  r.job = id;
  r.gpus = (*table_)[id.index()].gpus;
  r.submit = j.submit;
  r.first_start = j.first_start;
  r.finish = j.finish;
  r.wait = j.wait;
  r.run = j.run;
  r.service = j.service;
  r.held = j.held;
  r.launches = j.launches;
  r.preemptions = j.preemptions;
  r.cpu_per_sample = j.cpu_per_sample;
  r.state = j.state;
  r.rejection = j.rejection;
  return r;
}

std::vector<JobRow> MetricsFold::rows() const {
  std::vector<JobRow> rows;
  for (std::size_t i = 0; i < jobs_.size(); ++i) {
    const JobId id(static_cast<std::uint32_t>(i));
    if (submitted(id)) rows.push_back(row(id));
  }
  return rows;
}

std::vector<double> MetricsFold::jct_by_job_s() const {
  std::vector<double> jct;
  jct.reserve(jobs_.size());
  for (std::size_t i = 0; i < jobs_.size(); ++i) {
    const Job& j = jobs_[i];
    const bool finished = j.state == JobState::finished && (*table_)[i].measured;
    jct.push_back(finished ? to_seconds(j.finish - j.submit) : std::numeric_limits<double>::quiet_NaN());
  }
  return jct;
}

Summary MetricsFold::summary() const {
  Summary s;
  Int128 jct_sum = 0;
  Int128 wait_sum = 0;
  Int128 initial_wait_sum = 0;
  std::vector<double> jct;
  jct.reserve(jobs_.size());
  for (std::size_t i = 0; i < jobs_.size(); ++i) {
    const Job& j = jobs_[i];
    if (j.phase == Phase::unknown) continue;
    if (!(*table_)[i].measured) {
      s.unmeasured += 1;
      continue;
    }
    s.jobs += 1;
    s.launches += j.launches;
    s.preemptions += j.preemptions;
    s.rejected += j.state == JobState::rejected;
    s.failed += j.state == JobState::failed;
    s.cancelled += j.state == JobState::cancelled;
    if (j.state != JobState::finished) continue;
    s.finished += 1;
    jct_sum += (j.finish - j.submit).ns;
    wait_sum += j.wait.ns;
    initial_wait_sum += (std::min(j.first_start, j.finish) - j.submit).ns;
    jct.push_back(to_seconds(j.finish - j.submit));
  }
  s.decisions = decisions_;
  if (s.finished == 0) return s;
  const double n = static_cast<double>(s.finished);
  s.mean_jct_s = static_cast<double>(jct_sum) / n / 1e9;
  s.mean_wait_s = static_cast<double>(wait_sum) / n / 1e9;
  s.mean_initial_wait_s = static_cast<double>(initial_wait_sum) / n / 1e9;
  sort_for_quantiles(jct, {0.5, 0.9, 0.99});
  s.p50_jct_s = quantile(jct, 0.5);
  s.p90_jct_s = quantile(jct, 0.9);
  s.p99_jct_s = quantile(jct, 0.99);
  s.makespan_s = to_seconds(makespan());
  const double usable = static_cast<double>(at_last_finish_.usable - at_first_submit_.usable);
  if (usable > 0) {
    s.gpu_util_ratio = static_cast<double>(at_last_finish_.held - at_first_submit_.held) / usable;
    s.gpu_goodput_ratio = static_cast<double>(at_last_finish_.running - at_first_submit_.running) / usable;
  }
  return s;
}

}  // namespace orrery
