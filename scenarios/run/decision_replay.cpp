#include "scenarios/run/decision_replay.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "scenarios/run/run_controller.hpp"
#include "scenarios/run/run_policy.hpp"
#include "sim/core/assert.hpp"

namespace orrery::app {

DecisionReplay replay_decisions(const Prepared& prepared, const RunRequest& request, const Recording& recording,
                                const PlanBook& live, const std::string& conversation) {
  DecisionReplay replay;
  replay.decisions = live.plans.size();
  auto policy = RunPolicy::make(prepared, request.policy, request.seed, conversation);
  ORRERY_ASSERT(policy.has_value(), "the policy that could be made for the run cannot be made for its replay");
  if (replay.difference = policy->failure(); !replay.difference.empty()) return replay;
  ReplayExecutor executor(*prepared.topology, recording);
  PlanBook book;
  replay.difference = run_again(prepared, request, {executor, *policy, prepared.model()}, {&book});
  for (std::size_t i = 0; i < std::max(book.plans.size(), live.plans.size()); ++i) {
    if (i < book.plans.size() && i < live.plans.size() && book.plans[i] == live.plans[i]) {
      ++replay.equal;
    } else if (replay.difference.empty()) {
      replay.difference = fmt::format("decision {} differs", i + 1);
    }
  }
  return replay;
}

}  // namespace orrery::app
