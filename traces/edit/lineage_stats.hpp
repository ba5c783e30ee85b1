// The lineage graph of a workload in figures: who descends from whom, how deep, under which conditions, and what the
// edges are worth. A pure function of specs and truths.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "sim/core/truth.hpp"

namespace orrery {

struct LineageStats {
  std::int64_t jobs = 0;      // that have a parent or a child
  std::int64_t roots = 0;     // with children, without parents
  std::int64_t parents = 0;   // with children
  std::int64_t children = 0;  // with parents
  std::int64_t hard_edges = 0;
  std::int64_t soft_edges = 0;
  std::int64_t depth = 0;    // edges on the longest way down
  double mean_children = 0;  // of parents
  std::int64_t max_children = 0;
  double child_gpu_time_share = 0;                  // of the GPU-time of all jobs, at their base work
  std::map<std::int32_t, std::int64_t> thresholds;  // hard edges by progress asked for, per mille
  std::map<std::string, std::int64_t> modes;  // children by kind and model, or what follows its `/`: transfer/lora
  std::int64_t gains = 0, positive_gains = 0, negative_gains = 0;  // pairs of child and parent with a known gain
};

[[nodiscard]] LineageStats lineage_stats(const Workload& workload);

}  // namespace orrery
