// Longest pending job first: strict order by time spent waiting, longest first. Without preemption that is the
// order of arrival, so it equals FIFO; it differs for jobs that come back after a failure, whose earlier wait
// counts.
#pragma once

#include <algorithm>
#include <memory>
#include <set>

#include "sim/api/placement.hpp"
#include "sim/api/policy.hpp"

namespace orrery {

class LongestPending : public Policy {
 public:
  explicit LongestPending(std::unique_ptr<Placement> placement) : placement_(std::move(placement)) {}

  [[nodiscard]] std::unique_ptr<Policy> clone() const override { return std::make_unique<LongestPending>(*this); }
  void schedule(const ClusterView& view, PlanBuilder& plan) override {
    for (const Event& e : view.since_last) follow(view, e);
    for (auto it = queue_.begin(); it != queue_.end();) {
      if (!plan.start(it->second, *placement_)) return;
      it = queue_.erase(it);
      if (it != queue_.end() && passes_over_next()) ++it;
    }
  }

 protected:
  // Whether the job after one that has just been started is passed over this time.
  [[nodiscard]] virtual bool passes_over_next() const { return false; }

 private:
  // While a job waits, now - waited does not change: the smaller, the longer it has waited.
  static std::pair<std::int64_t, JobId> key(const ClusterView& view, const JobView& job) {
    return {(view.now - job.waited).ns, job.id()};
  }
  void follow(const ClusterView& view, const Event& e) {
    if (!e.job.valid()) return;
    const JobView job = view.job(e.job);
    const bool back = enters_queue(e.kind());
    if (back && !is_final(job.state) && job.target == nullptr) {
      queue_.insert(key(view, job));
    } else if (e.kind() == EventKind::reject || e.kind() == EventKind::cancel) {
      const auto it = std::find_if(queue_.begin(), queue_.end(), [&e](const auto& k) { return k.second == e.job; });
      if (it != queue_.end()) queue_.erase(it);
    }
  }

  OwnPlacement placement_;
  std::set<std::pair<std::int64_t, JobId>> queue_;
};

}  // namespace orrery
