// Policies that are not in the tree: `external`, a program that is told views and answers with plans, and those of a
// `library`. What a scenario may say of them, checked without starting or loading anything; scenarios/run makes them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "scenarios/spec/scenario.hpp"
#include "sim/api/policy_info.hpp"

namespace orrery::app {

inline constexpr std::string_view kExternal = "external";

// The row of `external`, which has no function that makes it.
[[nodiscard]] const PolicyInfo& external_policy();
[[nodiscard]] inline bool is_external(const PolicyConfig& c) {
  return c.name == kExternal;
}
[[nodiscard]] inline bool is_of_library(const PolicyConfig& c) {
  return c.options.contains("library");
}

// What a scenario says of `external`.
struct ExternalOptions {
  std::string label;  // what messages call the policy
  std::vector<std::string> command;
  std::string directory;     // it runs there; empty = where orrery runs
  std::string conversation;  // played back instead of running the command; empty = none
  Duration timeout{};
};
[[nodiscard]] Expected<ExternalOptions> external_options(const PolicyConfig& config);

// The path of its library, as it can be opened.
[[nodiscard]] std::string library_path(const PolicyConfig& config);

// Whether the policy can be made, as far as that is known before its library is loaded.
[[nodiscard]] Expected<void> check_policy(const PolicyConfig& config, const std::string& emulate);

// The same with paths that mean the same from any directory.
[[nodiscard]] PolicyConfig with_full_paths(PolicyConfig config);
// The same without what results do not depend on: where its files lie, and how long it may take.
[[nodiscard]] PolicyConfig without_paths(PolicyConfig config);
// The files that a run under the policy is of, as they can be opened.
[[nodiscard]] std::vector<std::string> files_of_policy(const PolicyConfig& config);

}  // namespace orrery::app
