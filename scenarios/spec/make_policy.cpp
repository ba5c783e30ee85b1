#include "scenarios/spec/make_policy.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "policies/placement/placements.hpp"
#include "policies/reference/emulations.hpp"
#include "policies/registry.hpp"
#include "scenarios/spec/outside_policy.hpp"
#include "sim/core/joined.hpp"

namespace orrery::app {
namespace {

constexpr std::string_view kOracle = "oracle";

SourcePos where_of(const PolicyConfig& config, const std::string& key) {
  const auto it = config.where.find(key);
  return it == config.where.end() ? SourcePos{} : it->second;
}

Diagnostic unknown(std::string_view what, const std::string& name, const SourcePos& where,
                   const std::vector<std::string_view>& names) {
  Diagnostic d{fmt::format("unknown {} `{}`", what, name), where};
  d.width = static_cast<int>(name.size());
  if (const auto near = closest(name, names); !near.empty()) d.hint = fmt::format("did you mean `{}`?", near);
  d.notes.push_back(fmt::format("known: {}", joined(names, ", ")));
  return d;
}

}  // namespace

std::string placement_of(const PolicyConfig& config, const std::string& emulate) {
  const Emulation* e = find_emulation(emulate);
  return e == nullptr ? config.placement : std::string(e->placement(config.name));
}

Expected<std::unique_ptr<Policy>> make_policy(const PolicyConfig& config, const std::string& emulate,
                                              std::uint64_t seed, std::shared_ptr<const KnownGains> gains) {
  std::vector<Diagnostic> errors;
  const PolicyInfo* info = find_policy(config.name);
  if (info == nullptr) {
    std::vector<std::string_view> names;
    for (const PolicyInfo& p : policy_table()) names.push_back(p.name);
    names.push_back(kExternal);
    errors.push_back(unknown("policy", config.name, where_of(config, "name"), names));
  }
  PolicySetup setup;
  setup.seed = seed;
  setup.gains = std::move(gains);
  setup.placement = make_placement(placement_of(config, emulate), seed);
  if (setup.placement == nullptr) {
    errors.push_back(unknown_placement(config));
    setup.placement = make_placement("count", seed);  // so that wrong options are reported too
  }
  std::unique_ptr<Policy> policy;
  if (info != nullptr) {
    const PolicyInfo row = emulated(*info, find_emulation(emulate));
    OptionReader options(config.name, config.options, option_places(config, row.options), row.options);
    policy = row.make(std::move(setup), options);
    if (auto ok = options.finish(); !ok)
      errors.insert(errors.end(), ok.error().items.begin(), ok.error().items.end());
  }
  if (!errors.empty()) return tl::make_unexpected(Error(std::move(errors)));
  return policy;
}

bool wants_gains(const PolicyConfig& config) {
  const auto given = config.options.find("gains");
  if (given == config.options.end() || given->second != kOracle) return false;
  const PolicyInfo* info = find_policy(config.name);
  return info != nullptr && std::any_of(info->options.begin(), info->options.end(), [](const OptionSpec& o) {
           return o.name == "gains" && std::count(o.choices.begin(), o.choices.end(), kOracle) > 0;
         });
}

std::map<std::string, SourcePos> option_places(const PolicyConfig& config, const std::vector<OptionSpec>& specs) {
  std::map<std::string, SourcePos> places = config.where;
  for (const auto& [name, place] : config.keys)
    if (std::none_of(specs.begin(), specs.end(), [&n = name](const OptionSpec& s) { return s.name == n; }))
      places[name] = place;
  return places;
}

Diagnostic unknown_placement(const PolicyConfig& config) {
  std::vector<std::string_view> names;
  for (const PlacementInfo& p : placement_table()) names.push_back(p.name);
  return unknown("placement", config.placement, where_of(config, "placement"), names);
}

std::string policy_label(const PolicyConfig& config) {
  if (!config.label.empty()) return config.label;
  return wants_gains(config) ? fmt::format("{}-{}", config.name, kOracle) : config.name;
}

}  // namespace orrery::app
