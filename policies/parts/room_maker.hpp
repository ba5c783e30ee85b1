// Making room by preemption: starts a job of higher rank by stopping running jobs of lower rank, as few as it takes
// from the lowest up, and leaves those where they are that still fit. For any placement and any demand; the general
// path of every policy that serves jobs by rank.
#pragma once

#include <functional>
#include <span>
#include <utility>
#include <vector>

#include "sim/api/plan.hpp"
#include "sim/api/view.hpp"

namespace orrery {

class RoomMaker {
 public:
  // The running jobs that may be stopped, the highest rank first.
  void clear() {
    jobs_.clear();
    kept_.clear();
  }
  void add(JobId job, std::int32_t gpus) {
    jobs_.push_back({job, gpus});
    kept_.push_back(1);
  }
  [[nodiscard]] std::size_t size() const { return jobs_.size(); }
  [[nodiscard]] JobId job(std::size_t i) const { return jobs_[i].job; }
  // Whether the i-th still has its GPUs.
  [[nodiscard]] bool kept(std::size_t i) const { return kept_[i] != 0; }
  void keep(std::size_t i) { kept_[i] = 1; }

  // Jobs on the same GPUs that are stopped with a job, and stay with it.
  using Companions = std::function<std::span<const JobId>(JobId)>;
  // Tries to start `job` by preempting the i-th and later ones, the last first; those that still fit where they were
  // stay. On failure nothing has changed.
  bool start(JobId job, std::size_t from, const ClusterView& view, PlanBuilder& plan, Placement& placement,
             const Companions& companions = {});

 private:
  using Targets = std::vector<std::pair<JobId, Target>>;
  static void preempt(JobId job, PlanBuilder& plan, const Companions& companions);
  static Targets targets(JobId job, const PlanBuilder& plan, const Companions& companions);
  static bool put_back(const Targets& before, PlanBuilder& plan);
  struct Item {
    JobId job{};
    std::int32_t gpus = 0;
  };
  std::vector<Item> jobs_;
  std::vector<char> kept_;
  std::vector<std::pair<std::size_t, Targets>> victims_;  // index in jobs_, where it was
};

}  // namespace orrery
