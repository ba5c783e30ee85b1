#include "scenarios/spec/performance_reader.hpp"

#include <fmt/format.h>

#include "sim/core/joined.hpp"
#include "sim/core/names.hpp"

namespace orrery::app {
namespace {

// The table of a GPU type of the cluster.
void read_table(YamlWalk& w, const Place& at, const std::string& type, const std::vector<NodeGroup>& groups,
                PerformanceConfig& c) {
  for (const auto& [known, table] : c.tables)
    if (same_name(known, type)) w.complain(at, fmt::format("`{}` and `{}` are one GPU type", known, type));
  c.tables[type] = w.word(at);
  std::vector<std::string_view> types;
  for (const NodeGroup& g : groups)
    if (g.gpus_per_node > 0 && find_name(types, g.gpu) == types.size()) types.push_back(g.gpu);
  if (find_name(types, type) < types.size()) return;
  const std::string_view near = closest(type, types);
  w.complain(at, fmt::format("the cluster has no GPUs of type `{}`", type),
             near.empty() ? "" : fmt::format("did you mean `{}`?", near),
             {fmt::format("types: {}", joined(types, ", "))});
}

}  // namespace

// clang-format off
std::optional<PerformanceConfig> read_performance(YamlWalk& w, const Place& at,
                                                  const std::vector<NodeGroup>& groups) {
  PerformanceConfig c;
  Place memory{};
  Place hardware{};
  w.section(at, {
      {"profiles", "folder or file of profiles; required",
       [&](const Place& p) { c.profiles = w.word(p); }},
      {"family", "how the profiles are laid out",
       [&](const Place& p) {
         c.family = w.choice(p, {"pollux", "titan", "gavel", "lucid", "calibrated"});
       }},
      {"hardware", "which tables GPU types use, or the type on which work is counted",
       [&](const Place& p) {
         hardware = p;
         if (w.lists()) return w.takes(p, "text, or a map of GPU types to names of tables");
         if (!p.node.IsMap()) c.hardware = w.word(p);
         else w.section(p, {}, [&](const std::string& type, const Place& q) { read_table(w, q, type, groups, c); });
       }},
      {"gpu_memory", "`titan`: memory of each GPU; default: no limit",
       [&](const Place& p) {
         c.gpu_memory = w.positive(p, parse_bytes);
         memory = p;
       }},
      {"missing", "what a job gets whose point was not measured",
       [&](const Place& p) { c.clamp = w.choice(p, {"error", "clamp"}) == "clamp"; }},
  });
  if (!at.node.IsMap()) return std::nullopt;
  if (c.gpu_memory > 0 && c.family != "titan")
    w.complain(memory, "`" + memory.path + "` is for profiles that say how much memory jobs take: `family: titan`");
  const bool by_type = c.family == "pollux" || c.family == "titan";
  if (!by_type && hardware.node.IsMap())
    w.complain(hardware, fmt::format("`{}` is one GPU type: tables of `family: {}` name their types", hardware.path,
                                     c.family));
  if (!by_type && hardware.path.empty())
    w.missing(at, "hardware", c.family == "lucid" ? "what the type is called on which it was measured"
                                                  : "the GPU type on which work is counted");
  if (c.profiles.empty()) w.missing(at, "profiles", "the folder of profiles");
  return c;
}
// clang-format on

}  // namespace orrery::app
