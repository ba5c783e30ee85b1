#include "sim/world/merged_steps.hpp"

#include <algorithm>

namespace orrery {

void MergedSteps::start(GangId gang, JobId job, const MergedPart& part) {
  Steps& s = gangs_[gang];
  s.jobs.push_back(job);
  s.parts.push_back(part);
  dirty_.push_back(gang);
}

void MergedSteps::stop(GangId gang, JobId job) {
  const auto found = gangs_.find(gang);
  if (found == gangs_.end()) return;
  Steps& s = found->second;
  const auto at = std::find(s.jobs.begin(), s.jobs.end(), job);
  if (at == s.jobs.end()) return;
  s.parts.erase(s.parts.begin() + (at - s.jobs.begin()));
  s.jobs.erase(at);
  dirty_.push_back(gang);
  if (s.jobs.empty()) gangs_.erase(found);
}

Rate MergedSteps::in_gang(GangId gang, JobId job, Rate alone) const {
  const auto found = gangs_.find(gang);
  if (found == gangs_.end()) return alone;
  const Steps& s = found->second;
  const auto at = std::find(s.jobs.begin(), s.jobs.end(), job);
  return at == s.jobs.end() ? alone : merged_speed(alone, static_cast<std::size_t>(at - s.jobs.begin()), s.parts);
}

std::span<const std::pair<GangId, JobId>> MergedSteps::changed() {
  changed_.clear();
  std::sort(dirty_.begin(), dirty_.end());
  dirty_.erase(std::unique(dirty_.begin(), dirty_.end()), dirty_.end());
  for (const GangId gang : dirty_)
    if (const auto found = gangs_.find(gang); found != gangs_.end())
      for (const JobId job : found->second.jobs) changed_.emplace_back(gang, job);
  dirty_.clear();
  return changed_;
}

}  // namespace orrery
