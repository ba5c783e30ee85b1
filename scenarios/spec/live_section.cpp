// The section `live` of a scenario: how `orrery live` runs it.
#include <fmt/format.h>

#include <filesystem>
#include <system_error>

#include "backend/engine/registry.hpp"
#include "scenarios/spec/scenario_sections.hpp"
#include "scenarios/spec/yaml_text.hpp"

namespace orrery::app {
namespace {

namespace fs = std::filesystem;

std::vector<std::string_view> engine_names() {
  std::vector<std::string_view> names;
  for (const live::EngineInfo& e : live::engine_table()) names.push_back(e.name);
  return names;
}

// Absolute, but for kPacedModel.
std::string job_file(const std::string& named, const std::string& scenario_file) {
  if (named == kPacedModel) return named;
  std::error_code ignored;
  return fs::absolute(fs::path(scenario_file).parent_path() / named, ignored).lexically_normal().string();
}

// clang-format off
YamlWalk::Keys live_keys(YamlWalk& w, LiveConfig& c, const std::string& scenario_file) {
  return {
      {"engine", "what starts the workers",
       [&](const Place& p) { c.engine = w.choice(p, engine_names()); },
       [&](bool) { return yaml_scalar(c.engine); }},
      {"time_scale", "seconds of the run per second of wall clock",
       [&](const Place& p) { c.time_scale = w.integer(p, 1, 1'000'000); },
       [&](bool) { return fmt::format("{}", c.time_scale); }},
      {"step", "wall time of a step of a paced job",
       [&](const Place& p) { c.step = w.at_least(p, milliseconds(1)); },
       [&](bool) { return format_duration(c.step); }},
      {"lease", "how long a worker goes on without hearing from the controller, wall time",
       [&](const Place& p) { c.lease = w.at_least(p, seconds(1)); },
       [&](bool) { return format_duration(c.lease); }},
      {"watchdog", "the least silence after which a gang counts as hung, wall time",
       [&](const Place& p) { c.watchdog = w.at_least(p, seconds(1)); },
       [&](bool) { return format_duration(c.watchdog); }},
      {"gpus", "slots are GPUs of this machine, not CPU slots",
       [&](const Place& p) { c.gpus = w.boolean(p); },
       [&](bool) { return fmt::format("{}", c.gpus); }},
      {"nodes", "`here`: this machine plays all nodes of the cluster",
       [&](const Place& p) { c.nodes_here = w.choice(p, {"one", "here"}) == "here"; },
       [&](bool) { return c.nodes_here ? "here" : ""; }},
      {"models", "job files of the models that train; `paced`: do not train",
       [&](const Place& p) {
         w.section(p, {}, [&](const std::string& model, const Place& file) {
           c.models[model] = job_file(w.word(file), scenario_file);
         }, "job file for jobs of this model");
       },
       [&](bool) {
         std::string out;
         for (const auto& [model, file] : c.models) out += yaml_line(yaml_scalar(model), yaml_scalar(file), 4);
         return out;
       }},
  };
}
// clang-format on

}  // namespace

void read_live(YamlWalk& w, const Place& at, const std::string& scenario_file, LiveConfig& c) {
  w.section(at, live_keys(w, c, scenario_file));
}

std::string write_live(LiveConfig c, bool digest) {
  YamlWalk none;
  const std::string nowhere;
  return yaml_block(live_keys(none, c, nowhere), digest, 2);
}

}  // namespace orrery::app
