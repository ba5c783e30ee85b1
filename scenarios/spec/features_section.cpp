// The section `features` of a scenario: probes share the features that a frozen backbone makes of their samples.
//
//   features: { limit: 100GB, bandwidth: 2GB/s }
#include <filesystem>
#include <system_error>

#include "scenarios/spec/scenario_sections.hpp"
#include "scenarios/spec/yaml_text.hpp"

namespace orrery::app {
namespace {

namespace fs = std::filesystem;

constexpr double kMostReaders = 1'000'000;

// clang-format off
YamlWalk::Keys features_keys(YamlWalk& w, FeaturesConfig& c, const std::string& scenario_file) {
  return {
      {"limit", "bytes that the store holds; what was used longest ago goes first",
       [&](const Place& p) { c.limit_bytes = w.positive(p, parse_bytes); },
       [&](bool) { return format_bytes(c.limit_bytes); }},
      {"bandwidth", "at which a probe reads or writes features",
       [&](const Place& p) { c.bytes_per_s = w.positive(p, parse_bandwidth); },
       [&](bool) { return format_bandwidth(c.bytes_per_s); }},
      {"readers", "how many later probes are expected to read what one computes: it is kept where writing and "
                  "reading it takes less than they would compute",
       [&](const Place& p) { c.readers = w.number(p, 0.001, kMostReaders); },
       [&](bool) { return yaml_decimal(c.readers); }},
      {"folder", "live runs: where the store is, for runs that share one; default: in the run's folder",
       [&](const Place& p) {
         std::error_code ignored;
         const fs::path beside = fs::path(scenario_file).parent_path();
         c.folder = fs::absolute(beside / w.word(p), ignored).lexically_normal().string();
       },
       [&](bool digest) { return c.folder.empty() || digest ? "" : yaml_scalar(c.folder); }},
  };
}
// clang-format on

}  // namespace

void read_features(YamlWalk& w, const Place& at, const std::string& scenario_file, FeaturesConfig& c) {
  w.section(at, features_keys(w, c, scenario_file));
}

std::string write_features(FeaturesConfig c, bool digest) {
  YamlWalk none;
  const std::string nowhere;
  return yaml_block(features_keys(none, c, nowhere), digest, 2);
}

}  // namespace orrery::app
