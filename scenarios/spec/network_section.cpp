// The section `network` of a scenario: what jobs send every step, and whether they share links.
//
//   network:
//     step: { compute: 300ms, gradients: 700MB, hidden: 0.3 }   # of every job, unless its model has a row
//     models: { bert: { gradients: 440MB } }                    # what is not said is as in `step`
//     contention: true
#include <fmt/format.h>

#include "scenarios/spec/scenario_sections.hpp"
#include "scenarios/spec/yaml_text.hpp"

namespace orrery::app {
namespace {

// clang-format off
YamlWalk::Keys step_keys(YamlWalk& w, StepTraffic& t) {
  return {
      {"compute", "computation of a training step",
       [&](const Place& p) { t.compute = w.positive(p, parse_duration); },
       [&](bool) { return format_duration(t.compute); }},
      {"gradients", "bytes all-reduced every step",
       [&](const Place& p) { t.gradient_bytes = w.quantity(p, parse_bytes); },
       [&](bool) { return format_bytes(t.gradient_bytes); }},
      {"hidden", "share of the computation that hides communication",
       [&](const Place& p) {
         t.hidden_per_mille = static_cast<std::int32_t>(w.number(p, 0, 1) * 1000 + 0.5);
       },
       [&](bool) { return yaml_fixed(t.hidden_per_mille, 3); }},
  };
}

StepTraffic read_step(YamlWalk& w, const Place& at, StepTraffic t) {
  w.section(at, step_keys(w, t));
  return t;
}

YamlWalk::Keys network_keys(YamlWalk& w, NetworkConfig& c, Place& models) {
  return {
      {"step", "the training step of all jobs",
       [&](const Place& p) { c.step = read_step(w, p, {}); },
       [&](bool digest) { return yaml_flow(step_keys(w, c.step), digest); }},
      {"models", "steps of the models of a trace",
       [&](const Place& p) { models = p; },
       [&](bool digest) {
         std::string out;
         for (auto& [model, t] : c.models)
           out += yaml_line(yaml_scalar(model), yaml_flow(step_keys(w, t), digest), 4);
         return out;
       }},
      {"contention", "`false`: every job as if alone on its links",
       [&](const Place& p) { c.contention = w.boolean(p); },
       [&](bool) { return fmt::format("{}", c.contention); }},
  };
}

}  // namespace

std::optional<NetworkConfig> read_network(YamlWalk& w, const Place& at) {
  NetworkConfig c;
  Place models{};
  w.section(at, network_keys(w, c, models));
  if (!models.path.empty())
    w.section(models, {}, [&](const std::string& model, const Place& p) {
      c.models[model] = read_step(w, p, c.step);
    }, "the step of jobs of this model");
  if (!at.node.is_map()) return std::nullopt;
  bool some = c.step.gradient_bytes > 0;
  for (const auto& [model, t] : c.models) some = some || t.gradient_bytes > 0;
  if (!some) w.complain(at, "no job sends anything: give `network.step.gradients`, the bytes all-reduced every step");
  return c;
}
// clang-format on

std::string write_network(NetworkConfig c, bool digest) {
  YamlWalk none;
  Place models{};
  return yaml_block(network_keys(none, c, models), digest, 2);
}

}  // namespace orrery::app
