// What is in a trace, in figures that can be held against published ones.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "traces/format/canonical.hpp"

namespace orrery {

struct TraceStats {
  std::int64_t jobs = 0;
  std::int64_t cpu_only_jobs = 0;
  std::int64_t untimed_jobs = 0;  // whose run time follows from a profile: in none of the times below
  std::size_t tenants = 0;
  double span_s = 0;                                              // first to last submit
  double mean_s = 0, p50_s = 0, p90_s = 0, p99_s = 0, max_s = 0;  // run time; linear interpolation
  double mean_gpus = 0;
  std::int32_t max_gpus = 0;
  double gpu_hours = 0;   // sum of GPUs x run time
  double arrival_cv = 0;  // standard deviation / mean of the gaps between submits
  std::vector<std::pair<std::int32_t, std::int64_t>> by_gpus;  // (GPUs, jobs), ascending
  std::array<std::int64_t, 24> by_hour{};                      // submits by hour since the trace's zero, modulo a day
};

[[nodiscard]] TraceStats trace_stats(const Trace& trace);

// The offered load for people: "0.903 on 512 GPUs", or why there is none.
[[nodiscard]] std::string load_text(const Trace& trace, std::int64_t gpus);

}  // namespace orrery
