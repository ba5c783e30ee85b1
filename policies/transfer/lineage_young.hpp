// LINEAGE's minimum run (docs/policies/lineage.md): who began less than `min_run` ago is young, and not preempted.
#pragma once

#include <algorithm>
#include <deque>
#include <utility>
#include <vector>

#include "sim/core/ids.hpp"
#include "sim/core/time.hpp"

namespace orrery {

class LineageYoung {
 public:
  explicit LineageYoung(Duration min_run) : min_run_(min_run) {}

  void begins(JobId job, Time at) {
    if (min_run_.ns == 0) return;
    if (job.index() >= grown_up_.size()) grown_up_.resize(std::max(job.index() + 1, 2 * grown_up_.size()));
    grown_up_[job.index()] = at + min_run_;
    young_.emplace_back(at + min_run_, job);
  }
  [[nodiscard]] bool is_young(JobId job, Time now) const {
    return job.index() < grown_up_.size() && now < grown_up_[job.index()];
  }
  // Whether somebody has grown up since the last call.
  [[nodiscard]] bool grow_up(Time now) {
    bool some = false;
    while (!young_.empty() && (young_.front().first <= now || outdated(young_.front()))) {
      some = some || !outdated(young_.front());
      young_.pop_front();
    }
    return some;
  }
  // When the next one will.
  [[nodiscard]] Time next() const { return young_.empty() ? kNever : young_.front().first; }

 private:
  // It has begun again since.
  [[nodiscard]] bool outdated(const std::pair<Time, JobId>& y) const {
    return grown_up_[y.second.index()] != y.first;
  }

  Duration min_run_;
  std::vector<Time> grown_up_;                // [job]
  std::deque<std::pair<Time, JobId>> young_;  // in order of time
};

}  // namespace orrery
