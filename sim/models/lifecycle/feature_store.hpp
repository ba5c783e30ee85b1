// The store of features that the probes of a run share: what it holds, and when features are worth keeping. The bound
// and the rule are the same for the simulated store and for the one on disk.
#pragma once

#include <cstdint>

#include "sim/core/time.hpp"

namespace orrery {

struct FeatureStoreModel {
  bool on = false;               // else every probe computes its own, as part of its work
  std::int64_t limit_bytes = 0;  // of all entries together
  std::int64_t bytes_per_s = 0;  // at which one probe reads, or writes; 0 = as fast as nothing
  double readers = 1;            // expected of each entry, besides the probe that computes it
};

// What reading or writing so much takes; rounded up to a nanosecond.
[[nodiscard]] Duration store_time(const FeatureStoreModel& model, std::int64_t bytes);

// Whether features of `bytes` that take `compute` are kept: iff they fit the store, and writing them once and reading
// them `readers` times takes less than computing them that often (Nautilus' rule, SIGMOD 2022, for one node of its
// graph: storage and loading cost less than what recomputing costs times reuse).
[[nodiscard]] bool worth_storing(const FeatureStoreModel& model, std::int64_t bytes, Duration compute);

}  // namespace orrery
