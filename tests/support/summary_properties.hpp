// What holds of the summary of every run, whatever ran.
#pragma once

#include <catch2/catch.hpp>

#include <algorithm>
#include <array>
#include <optional>
#include <string>

#include "sim/observe/metrics/tables.hpp"

namespace orrery::test {

// Shares that may be negative (transfer that costs work), and a ratio of two costs, which may be anything above 0.
inline constexpr std::array kNoShares{"stretch_ratio", "transfer_saved_ratio", "child_saved_ratio"};

inline void check_share(const std::string& key, const std::optional<double>& v) {
  if (!v) return;
  INFO(key);
  CHECK(*v >= 0);
  CHECK(*v <= 1 + 1e-9);
}

// Shares are shares, nothing lost is negative, and every GPU-second held is accounted for once. Not of runs in which
// jobs interleave on GPUs, whose goodput may be above 1.
inline void check_summary(const Summary& s) {
  for (const MetricDefinition& m : metric_definitions()) {
    const std::string key = m.key;
    const bool share = key.ends_with("_ratio") || key.ends_with("jain");
    if (share && std::find(kNoShares.begin(), kNoShares.end(), key) == kNoShares.end())
      check_share(key, metric_value(m, s));
  }
  const StudySummary& m = s.study;
  CHECK(*m.lost_gpu_s >= 0);
  CHECK(*m.checkpoint_gpu_s >= 0);
  CHECK(*m.productive_gpu_s >= 0);
  CHECK(*m.overhead_gpu_s >= -1e-9 * *m.held_gpu_s);
  CHECK(*m.overhead_gpu_s + *m.checkpoint_gpu_s + *m.lost_gpu_s + *m.productive_gpu_s == Approx(*m.held_gpu_s));
  for (const auto* groups : {&m.by_kind, &m.by_tenant})
    for (const StudyGroup& g : *groups) {
      check_share(g.name + " SLO", g.slo_ratio);
      check_share(g.name + " ETTR", g.ettr_ratio);
      check_share(g.name + " goodput", g.work_goodput_ratio);
      check_share(g.name + " MFU", g.mfu_ratio);
    }
}

}  // namespace orrery::test
