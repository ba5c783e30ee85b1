#include "scenarios/spec/network_reader.hpp"

namespace orrery::app {
namespace {

// clang-format off
StepTraffic read_step(YamlWalk& w, const Place& at, StepTraffic t) {
  w.section(at, {
      {"compute", "computation of a training step",
       [&](const Place& p) { t.compute = w.positive(p, parse_duration); }},
      {"gradients", "bytes all-reduced every step",
       [&](const Place& p) { t.gradient_bytes = w.quantity(p, parse_bytes); }},
      {"hidden", "share of the computation that hides communication",
       [&](const Place& p) {
         t.hidden_per_mille = static_cast<std::int32_t>(w.number(p, 0, 1) * 1000 + 0.5);
       }},
  });
  return t;
}

}  // namespace

std::optional<NetworkConfig> read_network(YamlWalk& w, const Place& at) {
  NetworkConfig c;
  Place models{};
  w.section(at, {
      {"step", "the training step of all jobs",
       [&](const Place& p) { c.step = read_step(w, p, {}); }},
      {"models", "steps of the models of a trace",
       [&](const Place& p) { models = p; }},
      {"contention", "`false`: every job as if alone on its links",
       [&](const Place& p) { c.contention = w.boolean(p); }},
  });
  if (!models.path.empty())
    w.section(models, {}, [&](const std::string& model, const Place& p) {
      c.models[model] = read_step(w, p, c.step);
    }, "the step of jobs of this model");
  if (!at.node.IsMap()) return std::nullopt;
  bool some = c.step.gradient_bytes > 0;
  for (const auto& [model, t] : c.models) some = some || t.gradient_bytes > 0;
  if (!some) w.complain(at, "no job sends anything: give `network.step.gradients`, the bytes all-reduced every step");
  return c;
}
// clang-format on

}  // namespace orrery::app
