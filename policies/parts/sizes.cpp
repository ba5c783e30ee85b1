#include "policies/parts/sizes.hpp"

#include <algorithm>

namespace orrery {

void wanting_jobs(const ClusterView& view, std::vector<JobId>& out) {
  out.clear();
  for (const JobId id : view.pending().ids()) out.push_back(id);
  for (const JobId id : view.active().ids()) out.push_back(id);
  std::sort(out.begin(), out.end());
}

void start_without_gpus(const ClusterView& view, PlanBuilder& plan, Placement& placement) {
  for (const JobId id : view.pending().ids())
    if (view.spec(id).demand.gpus == 0) (void)plan.start(id, placement);
}

std::optional<SizedJob> sized(const ClusterView& view, JobId job) {
  const JobSpec& spec = view.spec(job);
  if (spec.demand.gpus == 0) return std::nullopt;
  SizedJob j;
  j.id = job;
  j.least = std::max(spec.min_gpus, 1);
  j.most = std::max(spec.max_gpus, j.least);
  if (const Target* t = view.target(job)) j.before = static_cast<std::int32_t>(t->gpus.gpu_count());
  return j;
}

void drop_ended(const ClusterView& view, std::vector<JobId>& list) {
  std::erase_if(list, [&view](JobId id) { return is_final(view.state(id)); });
}

std::int32_t start_sized(PlanBuilder& plan, Placement& placement, JobId job, std::int32_t gpus, std::int32_t least) {
  for (std::int32_t g = gpus; g >= least; --g)
    if (plan.start(job, placement, Ask{.gpus = g})) return g;
  return kNowhere;
}

}  // namespace orrery
