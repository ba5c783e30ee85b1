// Who fills whose bubbles now, and what that costs hosts: of the fillers of one the worst counts
// (sim/api/bubbles.hpp). Work is that of the fillers of the host that one of them joins or leaves.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "sim/core/ids.hpp"

namespace orrery {

class FilledSteps {
 public:
  // A filler begins to make steps, or makes others than before, at a loss of its host's; or ceases to. Stopping one
  // that makes none does nothing.
  void start(JobId filler, JobId host, std::int64_t loss_ppm);
  void stop(JobId filler, JobId host);
  // What the host's step takes more now, in millionths of it.
  [[nodiscard]] std::int64_t loss_ppm(JobId host) const;
  // Hosts whose fillers have changed since the last call, ascending; valid until the next.
  [[nodiscard]] std::span<const JobId> changed();

 private:
  std::map<JobId, std::map<JobId, std::int64_t>> fillers_;  // [host][filler] loss
  std::vector<JobId> dirty_, changed_;
};

}  // namespace orrery
