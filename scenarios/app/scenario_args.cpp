#include "scenarios/app/scenario_args.hpp"

#include <fmt/format.h>

#include "policies/registry.hpp"
#include "scenarios/spec/make_policy.hpp"
#include "scenarios/spec/outside_policy.hpp"
#include "scenarios/spec/yaml_text.hpp"

namespace orrery::app {
namespace {

// The policy section that stands for `c`, as an override of the whole key.
Override policy_override(const PolicyConfig& chosen) {
  const PolicyConfig c = with_full_paths(chosen);
  std::string text = fmt::format("{{name: {}, placement: {}", yaml_scalar(c.name), yaml_scalar(c.placement));
  for (const auto& [key, value] : c.options)
    text += fmt::format(", {}: {}", yaml_scalar(key),
                        !value.empty() && value.front() == '[' ? value : yaml_scalar(value));
  return {"policy", text + "}"};
}

}  // namespace

void add_scenario_options(Args& args) {
  args.options()("set", taking<std::vector<std::string>>(),
                 "override a key: --set cluster.groups.0.count=32 (repeatable)")(
      "print-config", "print the full effective scenario and stop")("no-check", "without the invariant checker");
}

Expected<Scenario> scenario_from(const Args& args, const std::string& policy) {
  if (!args.has("scenario"))
    return fail(Diagnostic{"which scenario? give a YAML file, such as scenarios/quickstart.yaml"});
  std::vector<Override> overrides;
  std::vector<Diagnostic> errors;
  for (const std::string& text : args.list("set")) {
    if (auto o = parse_override(text))
      overrides.push_back(std::move(*o));
    else
      errors.insert(errors.end(), o.error().items.begin(), o.error().items.end());
  }
  if (!errors.empty()) return tl::make_unexpected(Error(std::move(errors)));
  const std::string& path = args.get<std::string>("scenario");
  if (!policy.empty()) {
    std::vector<Override> others;
    for (const Override& o : overrides)
      if (o.first != "policy" && o.first.rfind("policy.", 0) != 0) others.push_back(o);
    const auto plain = read_scenario(path, others);
    if (!plain) return plain;
    PolicyConfig chosen = policy_named(*plain, policy);
    if (chosen.where.empty()) {  // made of the name alone: what is wrong with it stands on the command line
      chosen.where["name"] = {"--policy " + policy, 0, 0};
      if (const auto ok = check_policy(chosen, plain->emulate); !ok) return tl::make_unexpected(ok.error());
    }
    for (const Override& o : overrides)
      if (o.first == "policy.placement") chosen.placement = o.second;
    overrides.insert(overrides.begin(), policy_override(chosen));
  }
  auto s = read_scenario(path, overrides);
  if (s && args.has("no-check")) s->check = false;
  return s;
}

std::string headline(const Prepared& p) {
  const Scenario& s = p.scenario;
  std::string cluster;
  for (const NodeGroup& g : s.cluster.groups)
    cluster += fmt::format("{}{} x {} {}", cluster.empty() ? "" : " + ", g.count, g.gpus_per_node, g.gpu);
  const std::string load = p.load ? fmt::format("load {:.2f}", *p.load) : "all submitted at one instant";
  return fmt::format("{}: {} jobs on {} ({} GPUs), {}, trace {}", s.name, p.workload.specs.size(), cluster,
                     p.topology->total_gpus(), load, p.trace_sha256.substr(0, 8));
}

std::string command_text(const std::string& verb, const std::vector<std::string>& arguments) {
  std::string out = "orrery " + verb;
  for (const std::string& a : arguments) {
    const bool plain = !a.empty() && a.find_first_of(" \t\n'\"\\$`*?[](){}<>|&;#~!") == std::string::npos;
    if (plain) {
      out += " " + a;
      continue;
    }
    out += " '";
    for (const char c : a) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
    out += "'";
  }
  return out;
}

namespace {

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> out;
  for (std::size_t from = 0; from <= text.size();) {
    const std::size_t comma = std::min(text.find(',', from), text.size());
    const std::size_t first = text.find_first_not_of(' ', from);
    if (first < comma) out.push_back(text.substr(first, text.find_last_not_of(' ', comma - 1) + 1 - first));
    from = comma + 1;
  }
  return out;
}

}  // namespace

Expected<std::vector<PolicyConfig>> chosen_policies(const Args& args, const Scenario& s) {
  std::vector<PolicyConfig> out;
  if (args.has("policies")) {
    for (const std::string& name : split(args.get<std::string>("policies"))) out.push_back(policy_named(s, name));
    if (out.empty()) return fail(Diagnostic{"--policies names no policy"});
    for (std::size_t i = 0; i < out.size(); ++i)
      for (std::size_t k = 0; k < i; ++k)
        if (policy_label(out[k]) == policy_label(out[i]))
          return fail(Diagnostic{fmt::format("--policies names `{}` twice", policy_label(out[i]))});
  } else if (!s.compare_policies.empty()) {
    out = s.compare_policies;
  } else {
    for (const PolicyInfo& p : policy_table()) out.push_back(policy_named(s, std::string(p.name)));
  }
  std::vector<Diagnostic> errors;
  for (const PolicyConfig& c : out)
    if (auto ok = check_policy(c, s.emulate); !ok)
      errors.insert(errors.end(), ok.error().items.begin(), ok.error().items.end());
  if (!errors.empty()) return tl::make_unexpected(Error(std::move(errors)));
  return out;
}

}  // namespace orrery::app
