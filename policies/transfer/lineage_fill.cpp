// Rule R5 in the protocol: a job in bubbles still waits for GPUs of its own, with its rank.
#include <utility>

#include "policies/transfer/lineage_protocol.hpp"

namespace orrery {

// It is planned to hold nothing, so that it can be placed.
bool Lineage::leaves_bubbles(const ClusterView& view, PlanBuilder& plan, JobId job) {
  if (!bubbles_.moves(job, remaining(view, job), abort_.restart())) return false;
  const Target* const there = plan.target(job);
  if (there == nullptr || there->sharing != Sharing::filler) return there == nullptr;
  moving_.emplace_back(job, *there);
  plan.preempt(job);
  return true;
}

// Those that were not placed after all.
void Lineage::stay_in_bubbles(const ClusterView& view, PlanBuilder& plan) {
  for (const auto& [job, there] : std::exchange(moving_, {}))
    if (plan.planned(job) == nullptr && bubbles_.fills(job) && bubbles_.stays(view, plan, job))
      plan.run(job, there.gpus, there.config, there.sharing, there.group);
}

void Lineage::fill_bubbles(const ClusterView& view, PlanBuilder& plan) {
  stay_in_bubbles(view, plan);
  LineageBubbles::Opinion of;
  of.waits = [this](JobId job) { return jobs_.is_waiting(job) && !abort_.drops(job); };
  of.start = [&](JobId job) {
    holder_.starts(job);
    features_.starts(view, job, LineageFeatures::key_of(view, job, gains_));
    return abort_.start(view, job, gains_);
  };
  bubbles_.fill(view, plan, of);
}

}  // namespace orrery
