// The steps of merged gangs: which members make steps now, and what part of a step of the gang each one's is. A step
// of a merged gang is one of each of its members (merged_step() in sim/api/predictor.hpp), so nobody's is shorter
// than alone and all are made as often. A member that stands still to save keeps its turn: the others notice nothing
// of it.
#pragma once

#include <map>
#include <span>
#include <vector>

#include "sim/api/predictor.hpp"
#include "sim/core/ids.hpp"
#include "sim/core/units.hpp"

namespace orrery {

class MergedSteps {
 public:
  // A member begins, or ceases, to make steps. `part`: what it brings. Stopping one that is not there does nothing.
  void start(GangId gang, JobId job, const MergedPart& part);
  void stop(GangId gang, JobId job);
  // Its speed in the gang, of one that makes steps.
  [[nodiscard]] Rate in_gang(GangId gang, JobId job, Rate alone) const;
  // Those that make steps in gangs that were started or stopped in since the last call, by gang; valid until the
  // next.
  [[nodiscard]] std::span<const std::pair<GangId, JobId>> changed();

 private:
  struct Steps {
    std::vector<JobId> jobs;
    std::vector<MergedPart> parts;  // likewise
  };
  std::map<GangId, Steps> gangs_;
  std::vector<GangId> dirty_;
  std::vector<std::pair<GangId, JobId>> changed_;
};

}  // namespace orrery
