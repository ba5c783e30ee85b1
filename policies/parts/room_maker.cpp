#include "policies/parts/room_maker.hpp"

namespace orrery {

bool RoomMaker::start(JobId job, std::size_t from, const ClusterView& view, PlanBuilder& plan, Placement& placement) {
  if (plan.start(job, placement)) return true;
  const Demand& demand = view.spec(job).demand;
  std::int64_t reachable = plan.free().free_gpus();
  for (std::size_t v = from; v < jobs_.size(); ++v) reachable += kept_[v] != 0 ? jobs_[v].gpus : 0;
  if (demand.milli_per_gpu == kMilliPerGpu && reachable < demand.gpus) return false;

  const PlanBuilder::Mark mark = plan.mark();
  for (std::size_t v = from; v < jobs_.size(); ++v)
    if (kept_[v] != 0) plan.preempt(jobs_[v].job);
  const bool possible = plan.start(job, placement);
  plan.rollback(mark);
  if (!possible) return false;

  victims_.clear();
  bool placed = false;
  for (std::size_t v = jobs_.size(); v-- > from && !placed;) {
    if (kept_[v] == 0) continue;
    victims_.emplace_back(v, *plan.planned(jobs_[v].job));
    plan.preempt(jobs_[v].job);
    placed = plan.start(job, placement);
  }
  for (std::size_t k = victims_.size(); k-- > 0;) {  // highest rank first
    const auto& [v, gpus] = victims_[k];
    const Target& t = *view.target(jobs_[v].job);
    kept_[v] = plan.run(jobs_[v].job, gpus, t.config, t.sharing, t.group) ? 1 : 0;
  }
  return placed;
}

}  // namespace orrery
