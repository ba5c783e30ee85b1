// The list of scenario keys, which the reference is made of: it is what the readers read, every key has a meaning,
// and what it says of a key holds.
#include <yaml-cpp/yaml.h>
#include <catch2/catch.hpp>

#include <algorithm>
#include <filesystem>
#include <set>
#include <string>
#include <type_traits>
#include <vector>

#include "orrery_paths.hpp"
#include "scenarios/spec/scenario_keys.hpp"
#include "scenarios/spec/yaml_walk.hpp"

namespace {

using namespace orrery;
using namespace orrery::app;

// A key of a scenario needs a meaning and a writer to compile.
using Key = YamlWalk::Key;
static_assert(std::is_constructible_v<Key, const char*, const char*, YamlWalk::Handler, YamlWalk::Writer>);
static_assert(!std::is_constructible_v<Key, const char*, YamlWalk::Handler>);
static_assert(!std::is_constructible_v<Key, const char*, const char*, YamlWalk::Handler>);

const ScenarioKey& listed_key(const std::vector<ScenarioKey>& keys, const std::string& path) {
  const auto at = std::find_if(keys.begin(), keys.end(), [&](const ScenarioKey& k) { return k.path == path; });
  INFO(path);
  REQUIRE(at != keys.end());
  return *at;
}

using KeyPaths = std::set<std::string>;

// The paths that the list has for the child `name` of `at`: itself, an item of a list, or a name that users choose.
KeyPaths paths_below(const KeyPaths& known, const KeyPaths& at, const std::string& name, bool item) {
  KeyPaths found;
  for (const std::string& parent : at) {
    const std::string dot = parent.empty() ? "" : parent + ".";
    if (item) found.insert(dot + "N");
    for (const std::string& child : {dot + name, dot + "NAME"})
      if (!item && known.count(child) > 0) found.insert(child);
  }
  return found;
}

void check_listed(const YAML::Node& node, const KeyPaths& known, const KeyPaths& at) {
  // What stands below these is described by the key as a whole.
  for (const char* free : {"compare.policies", "workload.generate.gpus", "performance.hardware"})
    if (at.count(free) > 0) return;
  if (node.IsSequence())
    for (const auto& item : node) check_listed(item, known, paths_below(known, at, "", true));
  if (!node.IsMap()) return;
  for (const auto& entry : node) {
    INFO((at.empty() ? "" : *at.begin()) << ": " << entry.first.Scalar());
    const KeyPaths found = paths_below(known, at, entry.first.Scalar(), false);
    CHECK_FALSE(found.empty());
    check_listed(entry.second, known, found);
  }
}

}  // namespace

TEST_CASE("the list of scenario keys says what each takes and means", "[scenario]") {
  const std::vector<ScenarioKey> keys = scenario_keys();
  std::set<std::string> paths;
  for (const ScenarioKey& k : keys) {
    INFO(k.path);
    CHECK(paths.insert(k.path).second);
    CHECK_FALSE(k.about.empty());
    CHECK_FALSE(k.takes.empty());
  }
  CHECK(listed_key(keys, "cluster.groups.N.count").takes == "whole number from 1 to 1000000");
  CHECK(listed_key(keys, "cluster.groups.N.nic").takes == "bandwidth > 0");
  CHECK(listed_key(keys, "failures.node_mtbf").takes == "time of at least 1m, or 0s");
  CHECK(listed_key(keys, "failures.repair").value == "1h");
  CHECK(listed_key(keys, "name").value.empty());  // it is the file's stem
  CHECK(listed_key(keys, "failures.outages").takes == "list of: map");
  CHECK(listed_key(keys, "failures.stragglers.spells.N.node").takes == "whole number from 0 to 1000000000");
  CHECK(listed_key(keys, "workload.estimates").takes == "one of: auto, user, history, oracle, none");
  CHECK(listed_key(keys, "workload.estimates").value == "auto");
  CHECK(listed_key(keys, "network.step.hidden").takes == "number from 0 to 1");
  CHECK(listed_key(keys, "network.models.NAME.compute").takes == "time > 0");
  CHECK(listed_key(keys, "overheads.restart").takes == "time, or a map");
  CHECK(listed_key(keys, "policy.placement").value == "count");
  CHECK(listed_key(keys, "live.models").takes == "map");
}

TEST_CASE("every key of a shipped scenario is in the list", "[scenario]") {
  KeyPaths known;
  for (const ScenarioKey& k : scenario_keys()) known.insert(k.path);
  int scenarios = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(ORRERY_SOURCE_DIR "/scenarios")) {
    if (entry.path().extension() != ".yaml" || entry.path().parent_path().filename() == "jobs") continue;
    INFO(entry.path().string());
    check_listed(YAML::LoadFile(entry.path().string()), known, {""});
    ++scenarios;
  }
  CHECK(scenarios >= 30);
}
