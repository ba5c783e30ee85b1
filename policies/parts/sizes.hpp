// What elastic policies need to put a job on another number of GPUs than it asked for.
#pragma once

#include <optional>
#include <vector>

#include "sim/api/plan.hpp"
#include "sim/api/view.hpp"

namespace orrery {

// The jobs that want GPUs (pending and active ones), in order of arrival. Grows with the queue: for policies whose
// decision looks at every job anyway.
void wanting_jobs(const ClusterView& view, std::vector<JobId>& out);

// Starts jobs of CPUs alone, which have no size to decide, where they fit, in order of arrival.
void start_without_gpus(const ClusterView& view, PlanBuilder& plan, Placement& placement);

// A job whose number of GPUs is to be decided.
struct SizedJob {
  JobId id{};
  std::int32_t least = 1, most = 1;
  std::int32_t gpus = 0;
  std::int32_t before = 0;  // what its standing target holds
};
// Its range and what it holds; nothing for jobs of CPUs alone, which have no size to choose.
[[nodiscard]] std::optional<SizedJob> sized(const ClusterView& view, JobId job);

// Takes jobs that are finished, failed, rejected or cancelled out of a list, in order.
void drop_ended(const ClusterView& view, std::vector<JobId>& list);

// Places the job on `gpus` GPUs, or on as many fewer as fit, but at least `least`; the number, kNowhere when none
// fits. It must hold nothing under the plan so far.
inline constexpr std::int32_t kNowhere = -1;
[[nodiscard]] std::int32_t start_sized(PlanBuilder& plan, Placement& placement, JobId job, std::int32_t gpus,
                                       std::int32_t least);

}  // namespace orrery
