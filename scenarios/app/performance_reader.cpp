#include "scenarios/app/performance_reader.hpp"

namespace orrery::app {

// clang-format off
std::optional<PerformanceConfig> read_performance(YamlWalk& w, const Place& at) {
  PerformanceConfig c;
  w.section(at, {
      {"profiles", [&](const Place& p) { c.profiles = w.word(p); }},
      {"family", [&](const Place& p) {
         c.family = w.choice(p, {"pollux", "titan", "gavel", "lucid", "calibrated"});
       }},
      {"hardware", [&](const Place& p) { c.hardware = w.word(p); }},
      {"missing", [&](const Place& p) { c.clamp = w.choice(p, {"error", "clamp"}) == "clamp"; }},
  });
  if (!at.node.IsMap()) return std::nullopt;
  if (c.profiles.empty()) w.missing(at, "profiles", "the folder of profiles");
  return c;
}
// clang-format on

}  // namespace orrery::app
