// Scenario files: YAML to Scenario and back. All errors of a file are reported at once, each with its position and
// the line; unknown keys are errors with a suggestion. --set overrides are applied to the YAML tree before it is
// read, so that they obey the same rules.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "scenarios/spec/scenario.hpp"

namespace orrery::app {

// One --set, split at its first `=`: {"cluster.groups.0.count", "32"}. Numbers index lists.
using Override = std::pair<std::string, std::string>;
[[nodiscard]] Expected<Override> parse_override(const std::string& text);

// What `intervals` says, in a file or on the command line: "none" is 0, "auto" kIntervalsByCost, else how many
// resamples; or why it says nothing.
[[nodiscard]] tl::expected<int, std::string> parse_intervals(std::string_view text);

// Reads all sections of a document, or lists their keys.
class YamlWalk;
void read_sections(YamlWalk& w, Scenario& s);

[[nodiscard]] Expected<Scenario> read_scenario(const std::string& path, const std::vector<Override>& overrides = {});
// The same from text; `file` is the name in messages and anchors relative trace paths.
[[nodiscard]] Expected<Scenario> read_scenario_text(const std::string& file, const std::string& text,
                                                    const std::vector<Override>& overrides = {});

// The full effective scenario as YAML; reading it again gives an equal scenario, from any directory.
[[nodiscard]] std::string effective_yaml(const Scenario& s);
// The same without what does not bear on results (paths, output, name): what the manifest's digest is taken of.
[[nodiscard]] std::string config_digest_text(const Scenario& s);

// The policy with this name or label: the entry of compare.policies, the scenario's own, or one with default options
// and the scenario's placement.
[[nodiscard]] PolicyConfig policy_named(const Scenario& s, const std::string& name);

}  // namespace orrery::app
