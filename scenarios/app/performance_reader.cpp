#include "scenarios/app/performance_reader.hpp"

namespace orrery::app {

// clang-format off
std::optional<PerformanceConfig> read_performance(YamlWalk& w, const Place& at) {
  PerformanceConfig c;
  Place memory{};
  w.section(at, {
      {"profiles", [&](const Place& p) { c.profiles = w.word(p); }},
      {"family", [&](const Place& p) {
         c.family = w.choice(p, {"pollux", "titan", "gavel", "lucid", "calibrated"});
       }},
      {"hardware", [&](const Place& p) { c.hardware = w.word(p); }},
      {"gpu_memory", [&](const Place& p) {
         c.gpu_memory = w.positive(p, parse_bytes);
         memory = p;
       }},
      {"missing", [&](const Place& p) { c.clamp = w.choice(p, {"error", "clamp"}) == "clamp"; }},
  });
  if (!at.node.IsMap()) return std::nullopt;
  if (c.gpu_memory > 0 && c.family != "titan")
    w.complain(memory, "`" + memory.path + "` is for profiles that say how much memory jobs take: `family: titan`");
  if (c.profiles.empty()) w.missing(at, "profiles", "the folder of profiles");
  return c;
}
// clang-format on

}  // namespace orrery::app
