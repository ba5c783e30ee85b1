// The options that `run` and `compare` share: which scenario, --set, --seeds, --print-config.
#pragma once

#include <string>
#include <vector>

#include "scenarios/app/args.hpp"
#include "scenarios/run/simulate.hpp"
#include "scenarios/spec/scenario_reader.hpp"

namespace orrery::app {

void add_scenario_options(Args& args);

// Reads the scenario named on the command line with its --set overrides. With `policy` not empty that policy
// takes the place of the scenario's, and --set policy.* speaks to it.
[[nodiscard]] Expected<Scenario> scenario_from(const Args& args, const std::string& policy);

// The policies that a verb runs: --policies, else the scenario's compare.policies, else all there are.
[[nodiscard]] Expected<std::vector<PolicyConfig>> chosen_policies(const Args& args, const Scenario& s);

// "quickstart: 200 jobs, 4 nodes x 8 h200 (32 GPUs), load 0.90, trace 9f2c41ab".
[[nodiscard]] std::string headline(const Prepared& p);

// The command as typed, for manifests.
[[nodiscard]] std::string command_text(const std::string& verb, const std::vector<std::string>& arguments);

}  // namespace orrery::app
