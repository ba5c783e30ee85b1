#include "scenarios/spec/scenario_reader.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <set>

#include "policies/reference/emulations.hpp"
#include "scenarios/spec/make_policy.hpp"
#include "scenarios/spec/moved_file.hpp"
#include "scenarios/spec/outside_policy.hpp"
#include "scenarios/spec/scenario_sections.hpp"
#include "scenarios/spec/yaml_text.hpp"
#include "traces/format/text_file.hpp"

namespace orrery::app {
namespace {

namespace fs = std::filesystem;

std::vector<std::string_view> emulate_choices() {
  std::vector<std::string_view> names{"none"};
  for (const Emulation& e : emulations()) names.push_back(e.name);
  return names;
}

// The folder ${ORRERY_TRACES} stands for: the variable, else ../shared/traces beside the working directory or beside
// the repository the scenario lies in.
fs::path traces_folder(const fs::path& scenario_dir) {
  if (const char* set = std::getenv("ORRERY_TRACES"); set != nullptr && *set != '\0') return set;
  std::error_code ignored;
  for (const fs::path& base : {fs::path("."), scenario_dir / ".."})
    if (const fs::path p = base / ".." / "shared" / "traces"; fs::is_directory(p, ignored)) return p;
  return fs::path("..") / "shared" / "traces";
}

std::string resolve_trace(const std::string& written, const std::string& scenario_file) {
  const fs::path dir = fs::path(scenario_file).parent_path();
  if (written.rfind(kTracesVariable, 0) == 0) {
    std::string rest = written.substr(kTracesVariable.size());
    while (!rest.empty() && rest.front() == '/') rest.erase(0, 1);
    return (traces_folder(dir) / rest).lexically_normal().string();
  }
  if (fs::path(written).is_absolute()) return written;
  std::error_code ignored;
  const fs::path beside = dir / written;
  return (fs::exists(beside, ignored) ? beside : fs::path(written)).string();
}

// An emulation has quirks of certain policies only; options and names are checked with the policies' own tables.
void check_policies(YamlWalk& w, const Scenario& s) {
  const auto check = [&](const PolicyConfig& c) {
    if (auto ok = check_policy(c, s.emulate); !ok)
      for (Diagnostic& d : ok.error().items) w.add(std::move(d));
  };
  check(s.policy);
  for (PolicyConfig c : s.compare_policies) {
    if (c.where.count("placement") == 0) c.placement = "count";  // a wrong one of `policy` is told of once
    check(c);
  }
  std::set<std::string> labels;
  for (const PolicyConfig& c : s.compare_policies)
    if (!labels.insert(policy_label(c)).second)
      w.add(Diagnostic{fmt::format("compare.policies has `{}` twice; give one a `label`", policy_label(c))});
}

std::string intervals_text(int resamples) {
  if (resamples == kIntervalsByCost) return "auto";
  return resamples == 0 ? "none" : fmt::format("{}", resamples);
}

int read_intervals(YamlWalk& w, const Place& at) {
  w.takes(at, fmt::format("none, auto, or a whole number from {} to {}", kFewestResamples, kMostResamples));
  const std::string text = w.word(at);
  const auto resamples = parse_intervals(text);
  if (!text.empty() && !resamples)
    w.complain(at, fmt::format("`{}` is `{}`; {}", at.path, text, resamples.error()),
               std::string("such as `intervals: 100`"));
  return resamples.value_or(kIntervalsByCost);
}

// What has been met, of sections that are required or are read when others have been.
struct SectionPlaces {
  bool versioned = false, cluster = false;
  Place workload{}, compare{}, policy{}, failures{}, performance{};
};

// clang-format off
YamlWalk::Keys compare_keys(Scenario& s, SectionPlaces& met) {
  return {
      {"policies", "the policies; ratios are to the first",
       [&](const Place& p) { met.compare = p; },
       [&](bool digest) {
         std::string out;
         for (const PolicyConfig& c : s.compare_policies) out += "\n    - " + write_policy(c, s.emulate, digest);
         return out;
       }},
  };
}

YamlWalk::Keys output_keys(YamlWalk& w, Scenario& s) {
  return {
      {"dir", "folder of run folders",
       [&](const Place& p) { s.output_dir = w.word(p); },
       [&](bool) { return yaml_scalar(s.output_dir); }},
      {"events", "write the event log; default: on below 200,000 jobs",
       [&](const Place& p) { s.log_events = w.boolean(p); },
       [&](bool) { return s.log_events ? fmt::format("{}", *s.log_events) : ""; }},
  };
}

// All sections, in the order in which they are written.
YamlWalk::Keys root_keys(YamlWalk& w, Scenario& s, SectionPlaces& met) {
  return {
      {"version", "version of this format; required",
       [&](const Place& p) { met.versioned = true; w.version_1(p); },
       [](bool) { return "1"; }},
      {"name", "name of the scenario; default: the file's stem",
       [&](const Place& p) { s.name = w.word(p); },
       [&](bool digest) { return digest ? "" : yaml_scalar(s.name); }},
      {"cluster", "the machine to schedule on; required",
       [&](const Place& p) { met.cluster = true; read_cluster(w, p, s.cluster); },
       [&](bool digest) { return write_cluster(s.cluster, digest); }},
      {"workload", "the jobs to schedule; required",
       [&](const Place& p) { met.workload = p; read_workload(w, p, s.workload); },
       [&](bool digest) { return write_workload(s.workload, digest); }},
      {"policy", "the policy of `run`: a name, or a map with options",
       [&](const Place& p) { met.policy = p; },
       [&](bool digest) { return write_policy(s.policy, s.emulate, digest); }},
      {"compare", "what `compare` runs",
       [&](const Place& p) { w.section(p, compare_keys(s, met)); },
       [&](bool digest) {
         return s.compare_policies.empty() || digest ? "" : yaml_block(compare_keys(s, met), digest, 2);
       }},
      {"performance", "speeds from measured profiles",
       [&](const Place& p) { met.performance = p; },
       [&](bool digest) { return s.performance ? write_performance(*s.performance, digest) : ""; }},
      {"overheads", "what launching, restarting and stopping takes",
       [&](const Place& p) { read_overheads(w, p, s.overheads); },
       [&](bool digest) { return write_overheads(s.overheads, digest); }},
      {"failures", "nodes that fail or are slow",
       [&](const Place& p) { met.failures = p; },
       [&](bool digest) { return write_failures(s.failures, digest); }},
      {"checkpoints", "how often jobs save their work",
       [&](const Place& p) { read_checkpoints(w, p, s.checkpoints); },
       [&](bool digest) { return write_checkpoints(s.checkpoints, digest); }},
      {"publish", "when jobs publish versions that others start from",
       [&](const Place& p) { read_publish(w, p, s.publish); },
       [&](bool digest) { return write_publish(s.publish, digest); }},
      {"features", "probes share the features of their samples",
       [&](const Place& p) { read_features(w, p, s.file, s.features.emplace()); },
       [&](bool digest) { return s.features ? write_features(*s.features, digest) : ""; }},
      {"merging", "what jobs that start from one version, and leave it as it is, save when they are merged",
       [&](const Place& p) { read_merging(w, p, s.merging); },
       [&](bool digest) { return write_merging(s.merging, digest); }},
      {"decoding", "jobs that decode compete for the CPUs of their nodes",
       [&](const Place& p) { read_decoding(w, p, s.decoding); },
       [&](bool digest) { return write_decoding(s.decoding, digest); }},
      {"bubbles", "jobs run where the GPUs of pretraining jobs idle",
       [&](const Place& p) { read_bubbles(w, p, s.bubbles.emplace()); },
       [&](bool digest) { return s.bubbles ? write_bubbles(*s.bubbles, digest) : ""; }},
      {"network", "jobs share links",
       [&](const Place& p) { s.network = read_network(w, p); },
       [&](bool digest) { return s.network ? write_network(*s.network, digest) : ""; }},
      {"emulate", "reproduce the quirks of a published simulator",
       [&](const Place& p) { s.emulate = w.choice(p, emulate_choices()); },
       [&](bool) { return s.emulate; }},
      {"live", "how `orrery live` runs the scenario",
       [&](const Place& p) { read_live(w, p, s.file, s.live.emplace()); },
       [&](bool digest) { return s.live && !digest ? write_live(*s.live, digest) : ""; }},
      {"measure", "the jobs that metrics are of, by when they are submitted; default: all",
       [&](const Place& p) { read_measure(w, p, s.measure); },
       [&](bool digest) { return write_measure(s.measure, digest); }},
      {"seeds", "`compare` runs seeds 1 to N",
       [&](const Place& p) { s.seeds = static_cast<int>(w.integer(p, 1, 1'000'000)); },
       [&](bool digest) { return digest ? "" : fmt::format("{}", s.seeds); }},
      {"intervals", "how often `compare` draws a recorded trace again",
       [&](const Place& p) { s.intervals = read_intervals(w, p); },
       [&](bool digest) { return digest ? "" : intervals_text(s.intervals); }},
      {"check", "watch the run with the invariant checker",
       [&](const Place& p) { s.check = w.boolean(p); },
       [&](bool digest) { return digest ? "" : fmt::format("{}", s.check); }},
      {"output", "what a run leaves",
       [&](const Place& p) { w.section(p, output_keys(w, s)); },
       [&](bool digest) { return digest ? "" : yaml_block(output_keys(w, s), digest, 2); }},
  };
}
// clang-format on

std::string yaml_of(Scenario s, bool digest) {
  YamlWalk none;
  SectionPlaces met;
  return yaml_block(root_keys(none, s, met), digest, 0).substr(1) + "\n";
}

}  // namespace

void read_sections(YamlWalk& w, Scenario& s) {
  SectionPlaces met;
  w.section(w.root(), root_keys(w, s, met));
  if (w.root().node.is_map()) {
    if (!met.versioned) w.missing(w.root(), "version", "write `version: 1`");
    if (!met.cluster) w.missing(w.root(), "cluster", "the machine to schedule on");
    if (met.workload.path.empty()) w.missing(w.root(), "workload", "the jobs to schedule");
  }
  if (met.workload.node.is_map()) check_generated(w, met.workload, s);
  if (s.features && s.workload.catalogue.empty())
    w.complain_of("features", "`features` needs `workload.catalogue`, which says what probes compute");
  const auto not_emulated = [&](bool given, const char* key, const char* what) {
    if (given && s.emulate != "none")
      w.complain_of(key, fmt::format("`emulate: {}` is of a simulator without {}; drop `{}`", s.emulate, what, key));
  };
  not_emulated(s.features.has_value(), "features", "features");
  not_emulated(s.network.has_value(), "network", "a network");
  not_emulated(s.bubbles.has_value(), "bubbles", "bubbles");
  not_emulated(s.decoding.contend, "decoding", "decoding");
  const auto has_cpus = [](const NodeGroup& g) { return g.cpu_milli > 0; };
  if (s.decoding.contend && std::none_of(s.cluster.groups.begin(), s.cluster.groups.end(), has_cpus))
    w.complain_of("decoding.contend", "`decoding.contend` needs groups with `cpus`, for which jobs compete");
  if (s.live && s.decoding.contend)
    w.complain_of("decoding.contend",
                  "`decoding.contend` is for simulations; live jobs have the cores of their slots");
  if (s.live && s.checkpoints.save)
    w.complain_of("checkpoints.cost", "`checkpoints.cost` by checkpoint is for simulations; `live` wants a time");
  if (!met.performance.path.empty()) s.performance = read_performance(w, met.performance, s.cluster.groups);
  if (s.performance && s.network)
    w.complain(met.performance,
               "`performance` has step times with their communication in them; drop it or `network`");
  std::int64_t nodes = 0;
  for (const NodeGroup& g : s.cluster.groups) nodes += g.count;
  if (!met.failures.path.empty()) read_failures(w, met.failures, nodes, s.failures);
  if (!met.policy.path.empty()) s.policy = read_policy(w, met.policy, {});
  if (!met.compare.path.empty())
    w.each(met.compare, [&](const Place& item) {
      if (w.lists()) return w.takes(item, "as `policy`");
      s.compare_policies.push_back(read_policy(w, item, s.policy));
    });
  check_policies(w, s);
  s.places = w.read();
}

Expected<Override> parse_override(const std::string& text) {
  const std::size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0) {
    Diagnostic d{fmt::format("--set wants key.path=value, not `{}`", text)};
    d.hint = "for example --set cluster.groups.0.count=32";
    return fail(std::move(d));
  }
  return Override{text.substr(0, equals), text.substr(equals + 1)};
}

tl::expected<int, std::string> parse_intervals(std::string_view text) {
  if (text == "auto") return kIntervalsByCost;
  if (text == "none") return 0;
  const auto n = parse_fixed(text, 0);
  if (n && *n >= kFewestResamples && *n <= kMostResamples) return static_cast<int>(*n);
  return tl::make_unexpected(
      fmt::format("it must be none, auto, or a number of resamples from {} to {}", kFewestResamples, kMostResamples));
}

Expected<Scenario> read_scenario_text(const std::string& file, const std::string& text,
                                      const std::vector<Override>& overrides) {
  Scenario s;
  s.file = file;
  s.name = fs::path(file).stem().string();
  YamlWalk w(file, text, overrides);
  if (w.root().node.is_map()) read_sections(w, s);
  if (!w.errors().empty()) return tl::make_unexpected(Error(std::move(w.errors())));
  if (!s.workload.trace.empty()) s.workload.trace_resolved = resolve_trace(s.workload.trace, file);
  if (!s.workload.catalogue.empty()) s.workload.catalogue_resolved = resolve_trace(s.workload.catalogue, file);
  if (!s.failures.capacity.empty()) s.failures.capacity_resolved = resolve_trace(s.failures.capacity, file);
  if (s.performance) s.performance->profiles_resolved = resolve_trace(s.performance->profiles, file);
  return s;
}

Expected<Scenario> read_scenario(const std::string& path, const std::vector<Override>& overrides) {
  const auto text = read_text_file(path);
  if (!text) return tl::make_unexpected(with_place(text.error(), path));
  return read_scenario_text(path, *text, overrides);
}

std::string effective_yaml(const Scenario& s) {
  return yaml_of(s, false);
}

std::string config_digest_text(const Scenario& s) {
  return yaml_of(s, true);
}

PolicyConfig policy_named(const Scenario& s, const std::string& name) {
  for (const PolicyConfig& c : s.compare_policies)
    if (policy_label(c) == name) return c;
  if (policy_label(s.policy) == name) return s.policy;
  for (const PolicyConfig& c : s.compare_policies)
    if (c.name == name) return c;
  PolicyConfig c;
  c.name = name;
  c.placement = s.policy.placement;
  return c;
}

}  // namespace orrery::app
