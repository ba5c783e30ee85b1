// What finished parents are really worth to their children. Nobody may know that before it has been seen: a policy
// that is told is an oracle, which stands beside results as their bound and never is one. Of all policies only
// LINEAGE may look at this (scripts/tidy checks it), and only where its option `gains` says `oracle`.
#pragma once

#include <cstdint>
#include <vector>

#include "sim/core/ids.hpp"

namespace orrery {

struct KnownGain {
  JobId parent{};
  std::int32_t gain_per_mille = 0;  // of the child's work that the finished parent saves; negative: it costs work
};

struct KnownGains {
  std::vector<std::vector<KnownGain>> of;  // [job]; of parents that are not here, nothing is gained
};

}  // namespace orrery
