#include "scenarios/spec/scenario_reader.hpp"

#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>
#include <set>

#include "backend/engine/registry.hpp"
#include "policies/reference/emulations.hpp"
#include "scenarios/spec/cluster_reader.hpp"
#include "scenarios/spec/failures_reader.hpp"
#include "scenarios/spec/make_policy.hpp"
#include "scenarios/spec/moved_file.hpp"
#include "scenarios/spec/network_reader.hpp"
#include "scenarios/spec/outside_policy.hpp"
#include "scenarios/spec/overheads_reader.hpp"
#include "scenarios/spec/performance_reader.hpp"
#include "scenarios/spec/read_generate.hpp"
#include "scenarios/spec/yaml_walk.hpp"
#include "sim/core/names.hpp"
#include "traces/format/text_file.hpp"

namespace orrery::app {
namespace {

std::vector<std::string_view> emulate_choices() {
  std::vector<std::string_view> names{"none"};
  for (const Emulation& e : emulations()) names.push_back(e.name);
  return names;
}

namespace fs = std::filesystem;
constexpr double kLeastLoad = 0.001, kMostLoad = 1e6;
constexpr std::int64_t kNoLimit = std::numeric_limits<std::int64_t>::max();

// ---- the sections, one function each; each is a table of its keys ---------------------------------------------
// clang-format off

void read_workload(YamlWalk& w, const Place& at, Scenario& s) {
  WorkloadConfig& c = s.workload;
  w.section(at, {
      {"trace", "trace file, relative to the scenario; may start with ${ORRERY_TRACES}",
       [&](const Place& p) { c.trace = w.word(p); }},
      {"format", "format of the trace",
       [&](const Place& p) {
         std::vector<std::string_view> names{"auto"};
         for (const TraceFormat& f : trace_formats()) names.push_back(f.name);
         c.format = w.choice(p, names);
       }},
      {"generate", "make jobs instead of reading a trace",
       [&](const Place& p) { c.generate = read_generate(w, p); }},
      {"catalogue", "file that describes the kinds of jobs of lineages",
       [&](const Place& p) { c.catalogue = w.word(p); }},
      {"slice", "take a part of the trace",
       [&](const Place& p) {
         w.section(p, {{"skip", "how many jobs to pass over",
                        [&](const Place& q) { c.skip = w.integer(q, 0, kNoLimit); }},
                       {"jobs", "how many jobs to take; default: all",
                        [&](const Place& q) { c.jobs = w.integer(q, 1, kNoLimit); }}});
       }},
      {"load", "stretch or squeeze arrivals until they offer this load",
       [&](const Place& p) { c.load = w.number(p, kLeastLoad, kMostLoad); }},
      {"estimates", "what policies are told about run times",
       [&](const Place& p) {
         const std::string e = w.choice(p, {"auto", "user", "history", "oracle", "none"});
         c.estimates = e == "user"      ? EstimateSource::user
                       : e == "history" ? EstimateSource::history
                       : e == "oracle"  ? EstimateSource::oracle
                       : e == "none"    ? EstimateSource::none
                                        : EstimateSource::automatic;
       }},
  });
  if (!at.node.IsMap()) return;
  if (c.trace.empty() && !c.generate) w.missing(at, "trace", "the trace file to replay (or `generate`, to make one)");
  if (!c.trace.empty() && c.generate) w.complain(at, "`workload` has both `trace` and `generate`; one is wanted");
  if (c.generate && c.trace.empty() && !c.generate->rate_per_1e9_h && !c.load)
    w.missing(at, "load", "generated arrivals need `load` or `generate.rate`");
  if (c.generate && c.generate->rate_per_1e9_h && c.load)
    w.complain(at, "`workload` has both `load` and `generate.rate`; one decides the arrivals");
}

// An item of a list, in quotes where it would read as several or as something else.
std::string item_text(const std::string& word) {
  if (!word.empty() && word.find_first_of("[]{},\"'\\#&*!|>%@`:\n\t") == std::string::npos) return word;
  std::string text = "\"";
  for (const char c : word) {
    if (c == '"' || c == '\\') text += '\\';
    text += c == '\n' ? std::string("\\n") : std::string(1, c);
  }
  return text + "\"";
}

// Text of an option: a scalar as it stands, a list as "[a, b]".
std::string option_text(YamlWalk& w, const Place& at) {
  if (!at.node.IsSequence()) return w.word(at);
  std::string text = "[";
  w.each(at, [&](const Place& item) { text += (text.size() > 1 ? ", " : "") + item_text(w.word(item)); });
  return text + "]";
}

PolicyConfig read_policy(YamlWalk& w, const Place& at, const PolicyConfig& defaults) {
  PolicyConfig c;
  c.placement = defaults.placement;
  if (at.node.IsScalar()) {
    c.name = w.word(at);
    c.where["name"] = w.where(at);
    return c;
  }
  YamlWalk::Keys keys{
      {"name", "the policy; default: fifo",
       [&](const Place& p) { c.name = w.word(p); c.where["name"] = w.where(p); }},
      {"placement", "where a job goes; default: count",
       [&](const Place& p) { c.placement = w.word(p); c.where["placement"] = w.where(p); }},
      {"label", "what tables call the policy; default: its name",
       [&](const Place& p) { c.label = w.word(p); }},
  };
  w.section(at, keys, [&](const std::string& key, const Place& p) {
    c.options[key] = option_text(w, p);
    c.where[key] = w.where(p);
  }, "an option of the policy, see `orrery policy show`");
  if (at.node.IsMap() && c.where.count("name") == 0) w.missing(at, "name", "which policy; see `orrery policy list`");
  return c;
}

void read_publish(YamlWalk& w, const Place& at, Scenario& s) {
  w.section(at, {
      {"every", "publish each time this share of the work is done, besides where edges ask for it",
       [&](const Place& p) {
         s.publish.every_per_mille = static_cast<std::int64_t>(w.number(p, 0.001, 0.999) * 1000 + 0.5);
       }},
      {"cost", "how long a job stands still to publish",
       [&](const Place& p) { s.publish.cost = w.quantity(p, parse_duration); }},
  });
}

std::vector<std::string_view> engine_names() {
  std::vector<std::string_view> names;
  for (const live::EngineInfo& e : live::engine_table()) names.push_back(e.name);
  return names;
}

LiveConfig read_live(YamlWalk& w, const Place& at, const std::string& scenario_file) {
  LiveConfig c;
  w.section(at, {
      {"engine", "what starts the workers",
       [&](const Place& p) { c.engine = w.choice(p, engine_names()); }},
      {"time_scale", "seconds of the run per second of wall clock",
       [&](const Place& p) { c.time_scale = w.integer(p, 1, 1'000'000); }},
      {"step", "wall time of a step of a paced job",
       [&](const Place& p) { c.step = w.at_least(p, milliseconds(1)); }},
      {"lease", "how long a worker goes on without hearing from the controller, wall time",
       [&](const Place& p) { c.lease = w.at_least(p, seconds(1)); }},
      {"watchdog", "the least silence after which a gang counts as hung, wall time",
       [&](const Place& p) { c.watchdog = w.at_least(p, seconds(1)); }},
      {"gpus", "slots are GPUs of this machine, not CPU slots",
       [&](const Place& p) { c.gpus = w.boolean(p); }},
      {"nodes", "`here`: this machine plays all nodes of the cluster",
       [&](const Place& p) { c.nodes_here = w.choice(p, {"one", "here"}) == "here"; }},
      {"models", "job files of the models that train; `paced`: do not train",
       [&](const Place& p) {
         w.section(p, {}, [&](const std::string& model, const Place& file) {
           std::error_code ignored;
           const std::string named = w.word(file);
           const fs::path file_path = fs::path(scenario_file).parent_path() / named;
           c.models[model] =
               named == kPacedModel ? named : fs::absolute(file_path, ignored).lexically_normal().string();
         }, "job file for jobs of this model");
       }},
  });
  return c;
}

// clang-format on
// ---- the whole file --------------------------------------------------------------------------------------------

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

}  // namespace

// clang-format off
void read_sections(YamlWalk& w, Scenario& s) {
  bool versioned = false, cluster = false;
  Place workload{};
  Place compare{};
  Place policy{};
  Place failures{};
  Place performance{};
  w.section(w.root(), {
      {"version", "version of this format; required",
       [&](const Place& p) { versioned = true; w.version_1(p); }},
      {"name", "name of the scenario; default: the file's stem",
       [&](const Place& p) { s.name = w.word(p); }},
      {"cluster", "the machine to schedule on; required",
       [&](const Place& p) { cluster = true; read_cluster(w, p, s.cluster); }},
      {"workload", "the jobs to schedule; required",
       [&](const Place& p) { workload = p; read_workload(w, p, s); }},
      {"policy", "the policy of `run`: a name, or a map with options",
       [&](const Place& p) { policy = p; }},
      {"compare", "what `compare` runs",
       [&](const Place& p) {
         w.section(p, {{"policies", "the policies; ratios are to the first",
                        [&](const Place& q) { compare = q; }}});
       }},
      {"performance", "speeds from measured profiles",
       [&](const Place& p) { performance = p; }},
      {"overheads", "what launching, restarting and stopping takes",
       [&](const Place& p) { read_overheads(w, p, s.overheads); }},
      {"failures", "nodes that fail or are slow",
       [&](const Place& p) { failures = p; }},
      {"checkpoints", "how often jobs save their work",
       [&](const Place& p) { read_checkpoints(w, p, s.checkpoints); }},
      {"publish", "when jobs publish versions that others start from",
       [&](const Place& p) { read_publish(w, p, s); }},
      {"network", "jobs share links",
       [&](const Place& p) { s.network = read_network(w, p); }},
      {"live", "how `orrery live` runs the scenario",
       [&](const Place& p) { s.live = read_live(w, p, s.file); }},
      {"emulate", "reproduce the quirks of a published simulator",
       [&](const Place& p) { s.emulate = w.choice(p, emulate_choices()); }},
      {"seeds", "`compare` runs seeds 1 to N",
       [&](const Place& p) { s.seeds = static_cast<int>(w.integer(p, 1, 1'000'000)); }},
      {"intervals", "how often `compare` draws a recorded trace again",
       [&](const Place& p) {
         w.takes(p, fmt::format("none, auto, or a whole number from {} to {}", kFewestResamples, kMostResamples));
         const std::string text = w.word(p);
         const auto resamples = parse_intervals(text);
         if (!text.empty() && !resamples)
           w.complain(p, fmt::format("`{}` is `{}`; {}", p.path, text, resamples.error()),
                      std::string("such as `intervals: 100`"));
         s.intervals = resamples.value_or(kIntervalsByCost);
       }},
      {"check", "watch the run with the invariant checker",
       [&](const Place& p) { s.check = w.boolean(p); }},
      {"output", "what a run leaves",
       [&](const Place& p) {
         w.section(p, {{"dir", "folder of run folders",
                        [&](const Place& q) { s.output_dir = w.word(q); }},
                       {"events", "write the event log; default: on below 200,000 jobs",
                        [&](const Place& q) { s.log_events = w.boolean(q); }}});
       }},
  });
  // clang-format on
  if (w.root().node.IsMap()) {
    if (!versioned) w.missing(w.root(), "version", "write `version: 1`");
    if (!cluster) w.missing(w.root(), "cluster", "the machine to schedule on");
    if (workload.path.empty()) w.missing(w.root(), "workload", "the jobs to schedule");
  }
  if (workload.node.IsMap()) check_generated(w, workload, s);
  if (s.live && s.checkpoints.save)
    w.complain(w.root(), "`checkpoints.cost` by checkpoint is for simulations; `live` wants a time");
  if (s.network && s.emulate != "none")
    w.complain(w.root(), fmt::format("`emulate: {}` is of a simulator without a network; drop `network`", s.emulate));
  if (!performance.path.empty()) s.performance = read_performance(w, performance, s.cluster.groups);
  if (s.performance && s.network)
    w.complain(performance, "`performance` has step times with their communication in them; drop it or `network`");
  std::int64_t nodes = 0;
  for (const NodeGroup& g : s.cluster.groups) nodes += g.count;
  if (!failures.path.empty()) read_failures(w, failures, nodes, s.failures);
  if (policy.node.IsDefined() && !policy.path.empty()) s.policy = read_policy(w, policy, {});
  if (!compare.path.empty())
    w.each(compare, [&](const Place& item) {
      if (w.lists()) return w.takes(item, "as `policy`");
      s.compare_policies.push_back(read_policy(w, item, s.policy));
    });
  check_policies(w, s);
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
  if (w.root().node.IsMap()) read_sections(w, s);
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
