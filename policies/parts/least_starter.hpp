// Waiting jobs of a policy that sizes jobs every so often: between those decisions they start on their least number
// of GPUs, in order of their keys, then of arrival, past those that do not fit. Costs what is started and one try per
// class of equal demands, whatever the length of the queue.
#pragma once

#include <algorithm>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "policies/parts/class_queues.hpp"
#include "policies/parts/sizes.hpp"

namespace orrery {

// What comes first where all jobs are alike.
struct NoKey {
  auto operator<=>(const NoKey&) const = default;
};

template <class Key = NoKey>
class LeastStarter {
 public:
  // Every event of the run, in order; for jobs whose key is always the same.
  void follow(const ClusterView& view, const Event& e) {
    if (!e.job.valid()) return;
    const JobView v = view.job(e.job);
    if (is_final(v.state))  // also one that finished while it was being stopped to wait
      set_waiting(*v.spec, false);
    else if (enters_queue(e.kind()) && v.target == nullptr)
      set_waiting(*v.spec, true);
  }
  // The owner decided that the job waits, with this key, or runs; either may be so already.
  void set_waiting(const JobSpec& spec, bool waits, const Key& key = {}) {
    if (spec.id.index() >= keys_.size()) keys_.resize(std::max(spec.id.index() + 1, 2 * keys_.size()));
    std::optional<Key>& known = keys_[spec.id.index()];
    if (known) waiting_.erase(class_of(spec), *known, spec.id);
    known.reset();
    if (!waits) return;
    known = key;
    waiting_.insert(class_of(spec), key, spec.id);
  }
  // Starts what fits, if admits(job) when its turn comes. `started(job)` is told of each.
  template <class Admits, class Started>
  void start(const ClusterView& view, PlanBuilder& plan, Placement& placement, Admits admits, Started started) {
    for (scan_.begin(waiting_); !scan_.done();) {
      const JobId job = scan_.head().second;
      const JobSpec& spec = view.spec(job);
      if (!admits(job)) {
        scan_.take();
        continue;
      }
      if (start_sized(plan, placement, job, spec.min_gpus, spec.min_gpus) == kNowhere) {
        scan_.drop_class();
        continue;
      }
      scan_.take();
      set_waiting(spec, false);
      started(job);
    }
  }
  void start(const ClusterView& view, PlanBuilder& plan, Placement& placement) {
    start(
        view, plan, placement, [](JobId) { return true; }, [](JobId) {});
  }

 private:
  // Jobs of one class fit, or do not, on their least number of GPUs together.
  [[nodiscard]] DemandClass class_of(const JobSpec& spec) {
    const auto fresh = DemandClass(static_cast<std::uint32_t>(classes_.size()));
    return classes_.try_emplace({spec.demand_class, spec.min_gpus}, fresh).first->second;
  }

  ClassQueues<Key> waiting_;
  ClassScan<Key> scan_;
  std::vector<std::optional<Key>> keys_;  // [job] while it waits
  std::map<std::pair<DemandClass, std::int32_t>, DemandClass> classes_;
};

}  // namespace orrery
