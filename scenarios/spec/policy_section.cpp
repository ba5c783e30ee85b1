// The section `policy` of a scenario, and each item of `compare.policies`: a name, or a map with options.
#include <fmt/format.h>

#include <map>
#include <utility>

#include "policies/reference/emulations.hpp"
#include "policies/registry.hpp"
#include "scenarios/spec/outside_policy.hpp"
#include "scenarios/spec/scenario_sections.hpp"
#include "scenarios/spec/yaml_text.hpp"

namespace orrery::app {
namespace {

// Text of an option: a scalar as it stands, a list as "[a, b]".
std::string option_text(YamlWalk& w, const Place& at) {
  if (!at.node.is_list()) return w.word(at);
  std::string text = "[";
  w.each(at, [&](const Place& item) { text += (text.size() > 1 ? ", " : "") + yaml_item(w.word(item)); });
  return text + "]";
}

// clang-format off
// What tables call a policy is nothing that results depend on.
YamlWalk::Keys policy_keys(YamlWalk& w, PolicyConfig& c) {
  return {
      {"name", "the policy; default: fifo",
       [&](const Place& p) { c.name = w.word(p); c.where["name"] = w.where(p); },
       [&](bool) { return yaml_scalar(c.name); }},
      {"placement", "where a job goes; default: count",
       [&](const Place& p) { c.placement = w.word(p); c.where["placement"] = w.where(p); },
       [&](bool) { return yaml_scalar(c.placement); }},
      {"label", "what tables call the policy; default: its name",
       [&](const Place& p) { c.label = w.word(p); },
       [&](bool digest) { return c.label.empty() || digest ? "" : yaml_scalar(c.label); }},
  };
}
// clang-format on

}  // namespace

PolicyConfig read_policy(YamlWalk& w, const Place& at, const PolicyConfig& defaults) {
  PolicyConfig c;
  c.placement = defaults.placement;
  if (at.node.is_value()) {
    c.name = w.word(at);
    c.where["name"] = w.where(at);
    return c;
  }
  const auto other = [&](const std::string& key, const Place& p) {
    c.options[key] = option_text(w, p);
    c.where[key] = w.where(p);
    c.keys[key] = w.where(w.key_of(p));
  };
  w.section(at, policy_keys(w, c), other, "an option of the policy, see `orrery policy show`");
  if (at.node.is_map() && c.where.count("name") == 0) w.missing(at, "name", "which policy; see `orrery policy list`");
  return c;
}

std::string write_policy(PolicyConfig c, const std::string& emulate, bool digest) {
  c = digest ? without_paths(std::move(c)) : with_full_paths(std::move(c));
  YamlWalk none;
  YamlWalk::Keys keys = policy_keys(none, c);
  std::map<std::string, std::string> options = c.options;
  if (const PolicyInfo* info = is_of_library(c) ? nullptr : find_policy(c.name))
    for (const OptionSpec& o : emulated(*info, find_emulation(emulate)).options)
      if (!o.default_value.empty()) options.try_emplace(o.name, o.default_value);
  if (is_external(c) && !digest) options.try_emplace("timeout", "30s");
  std::vector<std::string> names;
  names.reserve(options.size());  // keys hold on to them
  for (const auto& [name, value] : options) {
    names.push_back(yaml_scalar(name));
    const bool list = !value.empty() && value.front() == '[';
    keys.emplace_back(
        names.back(), "", [](const Place&) {}, [text = list ? value : yaml_scalar(value)](bool) { return text; });
  }
  return yaml_flow(keys, digest);
}

}  // namespace orrery::app
