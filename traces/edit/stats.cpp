#include "traces/edit/stats.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

namespace orrery {
namespace {

double interpolated(const std::vector<std::int64_t>& sorted, double q) {
  const double at = q * static_cast<double>(sorted.size() - 1);
  const auto low = static_cast<std::size_t>(at);
  const std::size_t high = std::min(low + 1, sorted.size() - 1);
  const auto a = static_cast<double>(sorted[low]);
  return (a + (static_cast<double>(sorted[high]) - a) * (at - static_cast<double>(low))) / 1e9;
}

}  // namespace

TraceStats trace_stats(const Trace& trace) {
  TraceStats s;
  s.jobs = static_cast<std::int64_t>(trace.jobs.size());
  if (trace.jobs.empty()) return s;
  std::vector<std::int64_t> durations;
  std::map<std::int32_t, std::int64_t> by_gpus;
  std::set<std::string_view> tenants;
  Int128 sum_ns = 0;
  Int128 milli_gpu_ns = 0;
  std::int64_t gpus = 0;
  for (const TraceJob& j : trace.jobs) {
    if (j.duration.ns > 0)
      durations.push_back(j.duration.ns);
    else
      ++s.untimed_jobs;
    ++by_gpus[j.gpus];
    if (!j.tenant.empty()) tenants.insert(j.tenant);
    sum_ns += j.duration.ns;
    milli_gpu_ns += Int128{j.duration.ns} * j.gpus * j.gpu_milli.value_or(kMilliPerGpu);
    gpus += j.gpus;
    s.max_gpus = std::max(s.max_gpus, j.gpus);
    s.cpu_only_jobs += j.gpus == 0;
    ++s.by_hour[static_cast<std::size_t>(j.submit.ns / (3600 * kNsPerSecond) % 24)];
  }
  std::sort(durations.begin(), durations.end());
  const auto n = static_cast<double>(s.jobs);
  s.tenants = tenants.size();
  s.span_s = to_seconds(trace.jobs.back().submit - trace.jobs.front().submit);
  if (!durations.empty()) {
    s.mean_s = static_cast<double>(sum_ns) / 1e9 / static_cast<double>(durations.size());
    s.p50_s = interpolated(durations, 0.5);
    s.p90_s = interpolated(durations, 0.9);
    s.p99_s = interpolated(durations, 0.99);
    s.max_s = static_cast<double>(durations.back()) / 1e9;
  }
  s.mean_gpus = static_cast<double>(gpus) / n;
  s.gpu_hours = static_cast<double>(milli_gpu_ns) / 1e12 / 3600;
  s.by_gpus.assign(by_gpus.begin(), by_gpus.end());
  if (trace.jobs.size() > 2 && s.span_s > 0) {
    const double mean = s.span_s / (n - 1);
    double squares = 0;
    for (std::size_t i = 1; i < trace.jobs.size(); ++i) {
      const double d = to_seconds(trace.jobs[i].submit - trace.jobs[i - 1].submit) - mean;
      squares += d * d;
    }
    s.arrival_cv = std::sqrt(squares / (n - 1)) / mean;
  }
  return s;
}

std::string load_text(const Trace& trace, std::int64_t gpus) {
  const auto untimed = [](const TraceJob& j) { return j.duration.ns == 0; };
  if (std::any_of(trace.jobs.begin(), trace.jobs.end(), untimed)) return "unknown: run times follow from profiles";
  if (trace.jobs.empty() || trace.jobs.front().submit == trace.jobs.back().submit)
    return "none: all jobs are submitted at one instant";
  return fmt::format("{:.3f} on {} GPUs", offered_load(trace, gpus), gpus);
}

}  // namespace orrery
