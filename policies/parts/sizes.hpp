// What elastic policies need to put a job on another number of GPUs than it asked for.
#pragma once

#include <vector>

#include "sim/core/plan.hpp"
#include "sim/core/view.hpp"

namespace orrery {

// The demand with `gpus` GPUs instead; CPUs and memory in proportion, rounded up.
[[nodiscard]] Demand resized(const Demand& demand, std::int32_t gpus);

// The jobs that want GPUs (pending and active ones), in order of arrival. Grows with the queue: for policies whose
// decision looks at every job anyway.
void wanting_jobs(const ClusterView& view, std::vector<JobId>& out);

// Places the job on `gpus` GPUs, or on as many fewer as fit, but at least `least`; the number, kNowhere when none
// fits. It must hold nothing under the plan so far.
inline constexpr std::int32_t kNowhere = -1;
[[nodiscard]] std::int32_t start_sized(const ClusterView& view, PlanBuilder& plan, Placement& placement, JobId job,
                                       std::int32_t gpus, std::int32_t least);

}  // namespace orrery
