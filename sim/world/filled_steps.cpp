#include "sim/world/filled_steps.hpp"

#include <algorithm>

namespace orrery {

void FilledSteps::start(JobId filler, JobId host, std::int64_t loss_ppm) {
  fillers_[host][filler] = loss_ppm;
  dirty_.push_back(host);
}

void FilledSteps::stop(JobId filler, JobId host) {
  const auto at = fillers_.find(host);
  if (at == fillers_.end() || at->second.erase(filler) == 0) return;
  if (at->second.empty()) fillers_.erase(at);
  dirty_.push_back(host);
}

std::int64_t FilledSteps::loss_ppm(JobId host) const {
  std::int64_t worst = 0;
  if (const auto at = fillers_.find(host); at != fillers_.end())
    for (const auto& [filler, loss] : at->second) worst = std::max(worst, loss);
  return worst;
}

std::span<const JobId> FilledSteps::changed() {
  changed_.swap(dirty_);
  dirty_.clear();
  std::sort(changed_.begin(), changed_.end());
  changed_.erase(std::unique(changed_.begin(), changed_.end()), changed_.end());
  return changed_;
}

}  // namespace orrery
