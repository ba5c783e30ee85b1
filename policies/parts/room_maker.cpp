#include "policies/parts/room_maker.hpp"

namespace orrery {

void RoomMaker::preempt(JobId job, PlanBuilder& plan, const Companions& companions) {
  plan.preempt(job);
  if (!companions) return;
  for (const JobId other : companions(job)) plan.preempt(other);
}

RoomMaker::Targets RoomMaker::targets(JobId job, const PlanBuilder& plan, const Companions& companions) {
  Targets all{{job, *plan.target(job)}};
  if (companions)
    for (const JobId other : companions(job)) all.emplace_back(other, *plan.target(other));
  return all;
}

// All of them, or nobody: companions have CPUs and memory of their own.
bool RoomMaker::put_back(const Targets& before, PlanBuilder& plan) {
  for (std::size_t i = 0; i < before.size(); ++i) {
    const auto& [job, t] = before[i];
    if (plan.run(job, t.gpus, t.config, t.sharing, t.group)) continue;
    for (std::size_t k = 0; k < i; ++k) plan.preempt(before[k].first);
    return false;
  }
  return true;
}

bool RoomMaker::start(JobId job, std::size_t from, const ClusterView& view, PlanBuilder& plan, Placement& placement,
                      const Companions& companions) {
  if (plan.start(job, placement)) return true;
  const Demand& demand = view.spec(job).demand;
  std::int64_t reachable = plan.free().free_gpus();
  for (std::size_t v = from; v < jobs_.size(); ++v) reachable += kept_[v] != 0 ? jobs_[v].gpus : 0;
  if (demand.milli_per_gpu == kMilliPerGpu && reachable < demand.gpus) return false;

  const PlanBuilder::Mark mark = plan.mark();
  for (std::size_t v = from; v < jobs_.size(); ++v)
    if (kept_[v] != 0) preempt(jobs_[v].job, plan, companions);
  const bool possible = plan.start(job, placement);
  plan.rollback(mark);
  if (!possible) return false;

  victims_.clear();
  bool placed = false;
  for (std::size_t v = jobs_.size(); v-- > from && !placed;) {
    if (kept_[v] == 0) continue;
    victims_.emplace_back(v, targets(jobs_[v].job, plan, companions));
    preempt(jobs_[v].job, plan, companions);
    placed = plan.start(job, placement);
  }
  for (std::size_t k = victims_.size(); k-- > 0;) {  // highest rank first
    const auto& [v, before] = victims_[k];
    kept_[v] = put_back(before, plan) ? 1 : 0;
  }
  return placed;
}

}  // namespace orrery
