// What a comparison is made of: one row per policy, one result per seed. Plain data; `compare` and `run` fill it
// in, the tables and intervals of this folder read it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sim/observe/metrics/metrics.hpp"

namespace orrery::report {

struct SeedResult {
  std::uint64_t seed = 0;
  Summary summary;
  std::vector<double> jct_by_job_s;  // in submit order, NaN where a job did not finish
};

struct CompareRow {
  std::string policy;
  std::vector<SeedResult> runs;
};

}  // namespace orrery::report
