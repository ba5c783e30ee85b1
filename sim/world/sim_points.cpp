// The simulated world's points of a job's work: what happens to a running job when it has done so much. Times to them
// are worked out anew whenever its speed changes (SimExecutor::plan_anew()).
#include <optional>

#include "sim/world/sim_executor.hpp"

namespace orrery {

// Something that happens to a running job when it has done so much; nothing, or at no speed: never.
void SimExecutor::plan_at(SimGang& g, DueQueue::Handle& planned, std::optional<Work> done, What what) {
  if (!done) return;
  const Duration needed = *done > g.done ? speed_.time_to(g, *done) : Duration{};
  if (needed == kForever) return;
  planned = table_.schedule(g, table_.now + needed, Due::kProgressClass, {.what = what});
}

void SimExecutor::plan_publication(SimGang& g) {
  if (versions_.empty() || g.publish != DueQueue::kNone || !tolls_.empty()) return;
  plan_at(g, g.publish, versions_.next_point(g), What::publication);
}

void SimExecutor::plan_assessment(SimGang& g) {
  if (versions_.empty() || g.assess != DueQueue::kNone || !tolls_.empty()) return;
  plan_at(g, g.assess, versions_.first_epoch(g), What::assessment);
}

void SimExecutor::plan_feature_pass(SimGang& g) {
  if (features_.empty() || g.features != DueQueue::kNone || !tolls_.empty()) return;
  plan_at(g, g.features, features_.pass_end(g), What::feature_pass);
}

void SimExecutor::plan_phase(SimGang& g) {
  if (g.phase_end != DueQueue::kNone || !tolls_.empty()) return;
  plan_at(g, g.phase_end, phases_.next(g), What::phase);
}

// It says so, and goes on at another speed. Rounding may bring it there a moment early: then it is asked again.
void SimExecutor::enter_phase(SimGang& g) {
  speed_.settle(g, table_.now);
  phases_.enter(g);
  change_rate(g, g.healthy, g.turns);
  plan_phase(g);
  if (const auto told = SimPhases::tell(g)) table_.say(g, *told);
}

// A phase that begins at this very work begins before it reports it, or stands still at it. What is saved there at no
// cost is of the phase before.
bool SimExecutor::enter_due_phase(SimGang& g) {
  const auto begin = phases_.next(g);
  if (!begin || *begin > g.done) return false;
  enter_phase(g);
  return true;
}

}  // namespace orrery
