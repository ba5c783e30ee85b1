// Makes a policy with its placement from a scenario's words, or says what is wrong with them.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "scenarios/spec/scenario.hpp"
#include "sim/api/policy_info.hpp"

namespace orrery::app {

// The placement a policy runs with: the configured one, unless an emulation brings its own.
[[nodiscard]] std::string placement_of(const PolicyConfig& config, const std::string& emulate);

// Of the tree; for all others see outside_policy.hpp. `gains`: for one that wants_gains(), else null.
[[nodiscard]] Expected<std::unique_ptr<Policy>> make_policy(const PolicyConfig& config, const std::string& emulate,
                                                            std::uint64_t seed,
                                                            std::shared_ptr<const KnownGains> gains = {});

// Whether it says `gains: oracle` and has such an option: only then is a policy told what is true.
[[nodiscard]] bool wants_gains(const PolicyConfig& config);

// Where what is wrong with an option stands: its value, and of one that `specs` do not have its name.
[[nodiscard]] std::map<std::string, SourcePos> option_places(const PolicyConfig& config,
                                                             const std::vector<OptionSpec>& specs);

// That the policy's placement is none.
[[nodiscard]] Diagnostic unknown_placement(const PolicyConfig& config);

// What a policy is called in tables: its label, else its name; with `-oracle` behind it where it is told the truth.
[[nodiscard]] std::string policy_label(const PolicyConfig& config);

}  // namespace orrery::app
