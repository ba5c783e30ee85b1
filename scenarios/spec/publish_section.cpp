// The section `publish` of a scenario: when jobs publish versions that others start from.
#include "scenarios/spec/scenario_sections.hpp"
#include "scenarios/spec/yaml_text.hpp"

namespace orrery::app {
namespace {

// clang-format off
YamlWalk::Keys publish_keys(YamlWalk& w, PublishConfig& c) {
  return {
      {"every", "publish each time this share of the work is done, besides where edges ask for it",
       [&](const Place& p) {
         c.every_per_mille = static_cast<std::int64_t>(w.number(p, 0.001, 0.999) * 1000 + 0.5);
       },
       [&](bool) { return c.every_per_mille > 0 ? yaml_fixed(c.every_per_mille, 3) : ""; }},
      {"cost", "how long a job stands still to publish",
       [&](const Place& p) { c.cost = w.quantity(p, parse_duration); },
       [&](bool) { return format_duration(c.cost); }},
  };
}
// clang-format on

}  // namespace

void read_publish(YamlWalk& w, const Place& at, PublishConfig& c) {
  w.section(at, publish_keys(w, c));
}

std::string write_publish(PublishConfig c, bool digest) {
  if (c.every_per_mille == 0 && c.cost.ns == 0) return {};
  YamlWalk none;
  return yaml_block(publish_keys(none, c), digest, 2);
}

}  // namespace orrery::app
