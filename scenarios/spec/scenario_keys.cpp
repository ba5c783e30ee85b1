#include "scenarios/spec/scenario_keys.hpp"

#include <yaml-cpp/yaml.h>

#include <map>

#include "scenarios/spec/scenario_reader.hpp"
#include "scenarios/spec/yaml_walk.hpp"
#include "sim/core/assert.hpp"

namespace orrery::app {
namespace {

// A scenario of all sections that says as little as it may.
constexpr const char* kLeast = R"(version: 1
name: name
cluster: { groups: [ { name: n, count: 1, gpus_per_node: 1, peak_tflops: 1 } ] }
workload: { generate: { jobs: 1 }, load: 1 }
policy: fifo
failures: { stragglers: { node_mtbs: 1d } }
network: { step: { compute: 1s, gradients: 1GB } }
live: {}
)";

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
  std::map<std::string, std::string> said, effective;
  flatten(YAML::Load(kLeast), "", said);
  const auto least = read_scenario_text("least.yaml", kLeast, {});
  ORRERY_ASSERT(least.has_value(), "the least scenario");
  flatten(YAML::Load(effective_yaml(*least)), "", effective);
  // Sections in the order of the file, their keys in the order of the reader.
  std::vector<std::string> sections;
  for (const KnownKey& k : known)
    if (k.path.find('.') == std::string::npos) sections.push_back(k.path);
  std::vector<ScenarioKey> keys;
  for (const std::string& section : sections) {
    for (const KnownKey& k : known) {
      if (k.path != section && k.path.rfind(section + ".", 0) != 0) continue;
      const auto value = said.count(k.path) > 0 ? effective.end() : effective.find(k.path);
      keys.push_back({k.path, k.about, k.takes, value == effective.end() ? "" : value->second});
    }
  }
  return keys;
}

}  // namespace orrery::app
