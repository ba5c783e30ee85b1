// The section `performance` of a scenario: speeds from measured profiles.
#include <fmt/format.h>

#include "scenarios/spec/scenario_sections.hpp"
#include "scenarios/spec/yaml_text.hpp"
#include "sim/core/joined.hpp"
#include "sim/core/names.hpp"

namespace orrery::app {
namespace {

// The table of a GPU type of the cluster.
void read_table(YamlWalk& w, const Place& at, const std::string& type, const std::vector<NodeGroup>& groups,
                PerformanceConfig& c) {
  for (const auto& [known, table] : c.tables)
    if (same_name(known, type)) w.complain(w.key_of(at), fmt::format("`{}` and `{}` are one GPU type", known, type));
  c.tables[type] = w.word(at);
  std::vector<std::string_view> types;
  for (const NodeGroup& g : groups)
    if (g.gpus_per_node > 0 && find_name(types, g.gpu) == types.size()) types.push_back(g.gpu);
  if (find_name(types, type) < types.size()) return;
  const std::string_view near = closest(type, types);
  w.complain(w.key_of(at), fmt::format("the cluster has no GPUs of type `{}`", type),
             near.empty() ? "" : fmt::format("did you mean `{}`?", near),
             {fmt::format("types: {}", joined(types, ", "))});
}

// Where keys stand that only some families of profiles take.
struct FamilyPlaces {
  Place memory{}, hardware{};
};

// clang-format off
YamlWalk::Keys performance_keys(YamlWalk& w, const std::vector<NodeGroup>& groups, PerformanceConfig& c,
                                FamilyPlaces& given) {
  return {
      {"profiles", "folder or file of profiles; required",
       [&](const Place& p) { c.profiles = w.word(p); },
       [&](bool digest) { return digest ? "" : yaml_path(c.profiles, c.profiles_resolved); }},
      {"family", "how the profiles are laid out",
       [&](const Place& p) {
         c.family = w.choice(p, {"pollux", "titan", "gavel", "lucid", "calibrated"});
       },
       [&](bool) { return c.family; }},
      {"hardware", "which tables GPU types use, or the type on which work is counted",
       [&](const Place& p) {
         given.hardware = p;
         if (w.lists()) return w.takes(p, "text, or a map of GPU types to names of tables");
         if (!p.node.is_map()) c.hardware = w.word(p);
         else w.section(p, {}, [&](const std::string& type, const Place& q) { read_table(w, q, type, groups, c); });
       },
       [&](bool) {
         if (!c.hardware.empty()) return yaml_scalar(c.hardware);
         std::string out;
         for (const auto& [type, table] : c.tables) out += yaml_line(yaml_scalar(type), yaml_scalar(table), 4);
         return out;
       }},
      {"missing", "what a job gets whose point was not measured",
       [&](const Place& p) { c.clamp = w.choice(p, {"error", "clamp"}) == "clamp"; },
       [&](bool) { return c.clamp ? "clamp" : "error"; }},
      {"gpu_memory", "`titan`: memory of each GPU; default: no limit",
       [&](const Place& p) {
         c.gpu_memory = w.positive(p, parse_bytes);
         given.memory = p;
       },
       [&](bool) { return c.gpu_memory > 0 ? format_bytes(c.gpu_memory) : ""; }},
  };
}

}  // namespace

std::optional<PerformanceConfig> read_performance(YamlWalk& w, const Place& at,
                                                  const std::vector<NodeGroup>& groups) {
  PerformanceConfig c;
  FamilyPlaces given;
  w.section(at, performance_keys(w, groups, c, given));
  if (!at.node.is_map()) return std::nullopt;
  if (c.gpu_memory > 0 && c.family != "titan")
    w.complain(given.memory, fmt::format("`{}` is for profiles that say how much memory jobs take: `family: titan`",
                                         given.memory.path));
  const bool by_type = c.family == "pollux" || c.family == "titan";
  if (!by_type && given.hardware.node.is_map())
    w.complain(given.hardware, fmt::format("`{}` is one GPU type: tables of `family: {}` name their types",
                                           given.hardware.path, c.family));
  if (!by_type && given.hardware.path.empty())
    w.missing(at, "hardware", c.family == "lucid" ? "what the type is called on which it was measured"
                                                  : "the GPU type on which work is counted");
  if (c.profiles.empty()) w.missing(at, "profiles", "the folder of profiles");
  return c;
}
// clang-format on

std::string write_performance(PerformanceConfig c, bool digest) {
  YamlWalk none;
  const std::vector<NodeGroup> groups;
  FamilyPlaces given;
  return yaml_block(performance_keys(none, groups, c, given), digest, 2);
}

}  // namespace orrery::app
