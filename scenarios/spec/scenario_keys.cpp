#include "scenarios/spec/scenario_keys.hpp"

#include <yaml-cpp/yaml.h>

#include <map>

#include "scenarios/spec/scenario_reader.hpp"
#include "scenarios/spec/yaml_walk.hpp"
#include "sim/core/assert.hpp"

namespace orrery::app {
namespace {

// Scenarios that say as little as they may; together they have every section.
constexpr const char* kLeast[] = {R"(version: 1
name: name
cluster: { groups: [ { name: n, count: 1, gpus_per_node: 1, gpu: n } ] }
workload: { generate: { jobs: 1 }, load: 1 }
policy: fifo
failures: { stragglers: { node_mtbs: 1d } }
network: { step: { compute: 1s, gradients: 1GB } }
live: {}
)",
                                  R"(version: 1
name: name
cluster: { groups: [ { name: n, count: 1, gpus_per_node: 1, gpu: n, peak_tflops: 1, cpus: 1 } ] }
workload: { catalogue: none.yaml, generate: { model: lineage, jobs: 1 }, load: 1 }
performance: { profiles: none, hardware: n }
overheads: { restart: { by: checkpoint, bandwidth: 1GB/s } }
publish: { every: 0.1 }
features: {}
merging: { gamma: 0.5 }
decoding: { contend: true }
bubbles: {}
)"};

// The scalars of a document and the text of their values, by path; items of lists are called N.
void flatten(const YAML::Node& node, const std::string& path, std::map<std::string, std::string>& out) {
  const std::string dot = path.empty() ? "" : path + ".";
  if (node.IsScalar()) out.emplace(path, node.Scalar());
  if (node.IsMap())
    for (const auto& entry : node) flatten(entry.second, dot + entry.first.Scalar(), out);
  if (node.IsSequence())
    for (const auto& item : node) flatten(item, dot + "N", out);
}

}  // namespace

std::vector<ScenarioKey> scenario_keys() {
  std::vector<KnownKey> known;
  YamlWalk w(known);
  Scenario scenario;
  read_sections(w, scenario);
  std::map<std::string, std::string> defaults;
  for (const char* text : kLeast) {
    const auto least = read_scenario_text("least.yaml", text, {});
    ORRERY_ASSERT(least.has_value(), "the least scenario");
    std::map<std::string, std::string> said, effective;
    flatten(YAML::Load(text), "", said);
    flatten(YAML::Load(effective_yaml(*least)), "", effective);
    for (const auto& [path, value] : effective)
      if (said.count(path) == 0) defaults.emplace(path, value);
  }
  // Sections in the order of the file, their keys in the order of the reader.
  std::vector<std::string> sections;
  for (const KnownKey& k : known)
    if (k.path.find('.') == std::string::npos) sections.push_back(k.path);
  std::vector<ScenarioKey> keys;
  for (const std::string& section : sections) {
    for (const KnownKey& k : known) {
      if (k.path != section && k.path.rfind(section + ".", 0) != 0) continue;
      const auto value = defaults.find(k.path);
      keys.push_back({k.path, k.about, k.takes, value == defaults.end() ? "" : value->second});
    }
  }
  return keys;
}

}  // namespace orrery::app
