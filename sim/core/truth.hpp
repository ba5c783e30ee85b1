// What only executors know about a job: how much work it really is. Policies, control and observers must not
// include this header (scripts/tidy checks it); a policy that knew true durations would be an oracle, and an
// oracle is an explicit scenario setting (`workload.estimates: oracle`).
#pragma once

#include <string>
#include <vector>

#include "sim/core/job.hpp"
#include "sim/core/units.hpp"

namespace orrery {

// How much a child inherits from one of its parents; see transfer_work() in sim/models/lifecycle/transfer.hpp.
struct SourceGain {
  JobId parent{};
  std::int32_t gain_per_mille = 0;  // of the child's work that the finished parent saves; negative: it costs work
};

struct JobTruth {
  Work work{};  // at the reference rate on the requested allocation; of a child: from its base checkpoint
  std::vector<SourceGain> sources{};
  // Passes over its data that `work` is: after one of them a child is compared with what is known (`assessed`); 0 =
  // nobody compares.
  std::int32_t epochs = 0;
};

// The jobs of one run, by JobId; specs and truths are parallel.
struct Workload {
  std::vector<JobSpec> specs;
  std::vector<JobTruth> truths;
  DemandTable demands;
};

}  // namespace orrery
