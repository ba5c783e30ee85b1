// LINEAGE's bound on unfairness (docs/policies/lineage.md): a waiting job whose finish-time fairness would exceed
// `rho_max` if it started now is promoted, for good. rho = (now - ready + remaining time) / (run time x load), where
// load is what all ready jobs demand over what the cluster has, at least 1. Counted from when a job may run: one that
// waits for its parent is not treated unfairly.
//
// Load is followed in steps of a twentieth, so that a decision costs what is promoted; a step costs the queue.
#pragma once

#include <cstdint>
#include <set>
#include <utility>
#include <vector>

#include "sim/api/view.hpp"

namespace orrery {

class LineagePromotion {
 public:
  // `rho_max` in thousandths; 0: nobody is promoted.
  explicit LineagePromotion(std::int64_t rho_max_per_mille) : rho_max_(rho_max_per_mille) {}

  // Every event of the run, in order.
  void follow(const ClusterView& view, const Event& e);
  // The job begins to wait, or no longer does.
  void waits(const JobView& job);
  void runs(JobId job);
  // Jobs that are promoted now, in no special order.
  const std::vector<JobId>& update(const ClusterView& view);
  [[nodiscard]] bool promoted(JobId job) const { return job.index() < jobs_.size() && jobs_[job.index()].promoted; }
  // When the job will be, as things are; kNever for one that does not wait.
  [[nodiscard]] Time next_of(JobId job) const {
    return job.index() < jobs_.size() && jobs_[job.index()].waiting ? jobs_[job.index()].due : kNever;
  }
  // When the next waiting job will be, as things are.
  [[nodiscard]] Time next() const { return due_.empty() ? kNever : due_.begin()->first; }

 private:
  struct Entry {
    Time ready{};
    Duration whole{}, left{};
    Time due = kNever;
    std::int32_t gpus = 0;
    bool counted = false;  // in demand_
    bool waiting = false;
    bool promoted = false;
  };
  [[nodiscard]] Entry& entry(JobId job);
  [[nodiscard]] Time due(const Entry& e) const;
  void place(JobId job);
  void follow_load(const ClusterView& view);

  std::int64_t rho_max_;
  std::int64_t load_ = 1000;              // per mille
  std::int64_t demand_ = 0;               // GPUs of all jobs that may run
  std::vector<Entry> jobs_;               // [job]
  std::set<std::pair<Time, JobId>> due_;  // waiting jobs that are not promoted
  std::vector<JobId> now_;
};

}  // namespace orrery
