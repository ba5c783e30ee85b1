// Whether a policy would decide the same again: the recorded batches of a live run go to a fresh controller, state
// and policy, and every decision has to be the one that was made.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "scenarios/run/simulate.hpp"
#include "sim/control/observer.hpp"
#include "sim/control/replay_executor.hpp"

namespace orrery::app {

// All decisions of a run, in order.
class PlanBook final : public Observer {
 public:
  void on_plan(Time now, std::uint64_t, const Plan& plan) override { plans.emplace_back(now, plan); }
  std::vector<std::pair<Time, Plan>> plans{};
};

struct DecisionReplay {
  std::uint64_t decisions = 0, equal = 0;
  std::string difference{};  // the first decision that differed; empty = all are equal
};
// `conversation`: that of the run, which answers instead of a program; empty where the policy holds none.
[[nodiscard]] DecisionReplay replay_decisions(const Prepared& prepared, const RunRequest& request,
                                              const Recording& recording, const PlanBook& live,
                                              const std::string& conversation);

}  // namespace orrery::app
