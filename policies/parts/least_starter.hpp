// Waiting jobs of a policy that sizes jobs every so often: between those decisions they start on their least number
// of GPUs, in order of arrival, past those that do not fit. Costs what is started and one try per class of equal
// demands, whatever the length of the queue.
#pragma once

#include <map>
#include <utility>

#include "policies/parts/class_queues.hpp"
#include "policies/parts/sizes.hpp"

namespace orrery {

class LeastStarter {
 public:
  // Every event of the run, in order.
  void follow(const ClusterView& view, const Event& e) {
    if (!e.job.valid()) return;
    const JobView v = view.job(e.job);
    if (is_final(v.state))  // also one that finished while it was being stopped to wait
      set_waiting(*v.spec, false);
    else if (enters_queue(e.kind()) && v.target == nullptr)
      set_waiting(*v.spec, true);
  }
  // The owner decided that the job runs, or waits.
  void set_waiting(const JobSpec& spec, bool waits) {
    if (waits)
      waiting_.insert(class_of(spec), 0, spec.id);
    else
      waiting_.erase(class_of(spec), 0, spec.id);
  }
  // Starts what fits. `started(job)` is told of each.
  template <class Started>
  void start(const ClusterView& view, PlanBuilder& plan, Placement& placement, Started started) {
    scan_.begin(waiting_);
    while (!scan_.done()) {
      const JobId job = scan_.head().second;
      const std::int32_t least = view.spec(job).min_gpus;
      if (start_sized(plan, placement, job, least, least) == kNowhere) {
        scan_.drop_class();
        continue;
      }
      const DemandClass c = scan_.head_class();
      scan_.take();
      waiting_.erase(c, 0, job);
      started(job);
    }
  }
  [[nodiscard]] bool empty() const { return waiting_.empty(); }

 private:
  // Jobs of one class fit, or do not, on their least number of GPUs together.
  [[nodiscard]] DemandClass class_of(const JobSpec& spec) {
    const auto fresh = DemandClass(static_cast<std::uint32_t>(classes_.size()));
    return classes_.try_emplace({spec.demand_class, spec.min_gpus}, fresh).first->second;
  }

  ClassQueues<std::int64_t> waiting_;
  ClassScan<std::int64_t> scan_;
  std::map<std::pair<DemandClass, std::int32_t>, DemandClass> classes_;
};

}  // namespace orrery
