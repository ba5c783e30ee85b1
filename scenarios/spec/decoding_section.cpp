// The section `decoding` of a scenario: whether jobs that decode compete for the CPUs of their nodes.
#include "scenarios/spec/scenario_sections.hpp"
#include "scenarios/spec/yaml_text.hpp"

namespace orrery::app {
namespace {

// clang-format off
YamlWalk::Keys decoding_keys(YamlWalk& w, DecodingConfig& c) {
  return {
      {"contend", "jobs whose `phases` want CPUs share those of their nodes, and are slower where they get fewer; "
                  "the groups' `cpus` say how many there are",
       [&](const Place& p) { c.contend = w.boolean(p); },
       [&](bool) { return c.contend ? "true" : "false"; }},
  };
}
// clang-format on

}  // namespace

void read_decoding(YamlWalk& w, const Place& at, DecodingConfig& c) {
  w.section(at, decoding_keys(w, c));
}

std::string write_decoding(DecodingConfig c, bool digest) {
  if (!c.contend) return {};
  YamlWalk none;
  return yaml_block(decoding_keys(none, c), digest, 2);
}

}  // namespace orrery::app
