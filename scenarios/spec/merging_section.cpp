// The section `merging` of a scenario: what merged jobs on one frozen backbone share.
#include "scenarios/spec/scenario_sections.hpp"
#include "scenarios/spec/yaml_text.hpp"

namespace orrery::app {
namespace {

// clang-format off
YamlWalk::Keys merging_keys(YamlWalk& w, MergingConfig& c) {
  return {
      {"gamma", "share of a step alone that is done once for all: k alike take gamma + (1 - gamma) k steps' time; "
                "default: as the catalogue's cost model says, 0 without one",
       [&](const Place& p) {
         c.gamma_per_mille = static_cast<std::int64_t>(w.number(p, 0, 1) * 1000 + 0.5);
       },
       [&](bool) { return c.gamma_per_mille >= 0 ? yaml_fixed(c.gamma_per_mille, 3) : ""; }},
  };
}
// clang-format on

}  // namespace

void read_merging(YamlWalk& w, const Place& at, MergingConfig& c) {
  w.section(at, merging_keys(w, c));
}

std::string write_merging(MergingConfig c, bool digest) {
  if (c.gamma_per_mille < 0) return {};
  YamlWalk none;
  return yaml_block(merging_keys(none, c), digest, 2);
}

}  // namespace orrery::app
