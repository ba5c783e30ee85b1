// Longest pending job first: strict order by time spent waiting, longest first. Without preemption that is the
// order of arrival, so it equals FIFO; it differs for jobs that come back after a failure, whose earlier wait
// counts. `emulate: tiresias` reproduces the reference's list handling (docs/policies/emulations.md): its pending
// times are never updated, and the job after each started one is passed over at that event.
#include <algorithm>
#include <set>

#include "policies/factories.hpp"

namespace orrery {
namespace {

class LongestPending final : public Policy {
 public:
  LongestPending(std::unique_ptr<Placement> placement, bool skip_after_start)
      : placement_(std::move(placement)), skip_after_start_(skip_after_start) {}
  [[nodiscard]] Capabilities capabilities() const override { return {}; }

  void schedule(const ClusterView& view, PlanBuilder& plan) override {
    for (const Event& e : view.since_last) follow(view, e);
    for (auto it = queue_.begin(); it != queue_.end();) {
      if (!plan.start(it->second, *placement_)) return;
      it = queue_.erase(it);
      if (skip_after_start_ && it != queue_.end()) ++it;
    }
  }

 private:
  // While a job waits, now - waited does not change: the smaller, the longer it has waited.
  static std::pair<std::int64_t, JobId> key(const ClusterView& view, const JobView& job) {
    return {(view.now - job.waited).ns, job.id()};
  }
  void follow(const ClusterView& view, const Event& e) {
    if (!e.job.valid()) return;
    const JobView job = view.job(e.job);
    const bool back = enters_queue(e.kind);
    if (back && !is_final(job.state) && job.target == nullptr) {
      queue_.insert(key(view, job));
    } else if (e.kind == EventKind::reject || e.kind == EventKind::cancel) {
      const auto it = std::find_if(queue_.begin(), queue_.end(), [&e](const auto& k) { return k.second == e.job; });
      if (it != queue_.end()) queue_.erase(it);
    }
  }

  std::unique_ptr<Placement> placement_;
  bool skip_after_start_;
  std::set<std::pair<std::int64_t, JobId>> queue_;
};

}  // namespace

std::unique_ptr<Policy> make_lpjf(PolicySetup setup, OptionReader&) {
  return std::make_unique<LongestPending>(std::move(setup.placement), setup.emulate_tiresias);
}

}  // namespace orrery
