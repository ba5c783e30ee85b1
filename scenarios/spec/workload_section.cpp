// The section `workload` of a scenario: a trace or what generates one, and what is made of it.
#include <fmt/format.h>

#include <limits>

#include "scenarios/spec/scenario_sections.hpp"
#include "scenarios/spec/yaml_text.hpp"
#include "traces/format/canonical.hpp"

namespace orrery::app {
namespace {

constexpr double kLeastLoad = 0.001, kMostLoad = 1e6;
constexpr std::int64_t kNoLimit = std::numeric_limits<std::int64_t>::max();

struct EstimateWord {
  std::string_view word;
  EstimateSource source;
};
constexpr EstimateWord kEstimates[] = {{"auto", EstimateSource::automatic},
                                       {"user", EstimateSource::user},
                                       {"history", EstimateSource::history},
                                       {"oracle", EstimateSource::oracle},
                                       {"none", EstimateSource::none}};

EstimateSource read_estimates(YamlWalk& w, const Place& at) {
  std::vector<std::string_view> words;
  for (const EstimateWord& e : kEstimates) words.push_back(e.word);
  const std::string chosen = w.choice(at, words);
  for (const EstimateWord& e : kEstimates)
    if (e.word == chosen) return e.source;
  return EstimateSource::automatic;
}

std::string estimates_text(EstimateSource source) {
  for (const EstimateWord& e : kEstimates)
    if (e.source == source) return std::string(e.word);
  return "auto";
}

std::vector<std::string_view> format_names() {
  std::vector<std::string_view> names{"auto"};
  for (const TraceFormat& f : trace_formats()) names.push_back(f.name);
  return names;
}

// clang-format off
YamlWalk::Keys slice_keys(YamlWalk& w, WorkloadConfig& c) {
  return {
      {"skip", "how many jobs to pass over",
       [&](const Place& p) { c.skip = w.integer(p, 0, kNoLimit); },
       [&](bool) { return fmt::format("{}", c.skip); }},
      {"jobs", "how many jobs to take; default: all",
       [&](const Place& p) { c.jobs = w.integer(p, 1, kNoLimit); },
       [&](bool) { return c.jobs >= 0 ? fmt::format("{}", c.jobs) : ""; }},
  };
}

YamlWalk::Keys workload_keys(YamlWalk& w, WorkloadConfig& c) {
  return {
      {"trace", "trace file, relative to the scenario; may start with ${ORRERY_TRACES}",
       [&](const Place& p) { c.trace = w.word(p); },
       [&](bool digest) { return c.generate || digest ? "" : yaml_path(c.trace, c.trace_resolved); }},
      {"generate", "make jobs instead of reading a trace",
       [&](const Place& p) { c.generate = read_generate(w, p); },
       [&](bool digest) { return c.generate ? write_generate(*c.generate, digest) : ""; }},
      {"catalogue", "file that describes the kinds of jobs of lineages",
       [&](const Place& p) { c.catalogue = w.word(p); },
       [&](bool digest) {
         return c.catalogue.empty() || digest ? "" : yaml_path(c.catalogue, c.catalogue_resolved);
       }},
      {"format", "format of the trace",
       [&](const Place& p) { c.format = w.choice(p, format_names()); },
       [&](bool) { return yaml_scalar(c.format); }},
      {"slice", "take a part of the trace",
       [&](const Place& p) { w.section(p, slice_keys(w, c)); },
       [&](bool digest) { return c.skip > 0 || c.jobs >= 0 ? yaml_flow(slice_keys(w, c), digest) : ""; }},
      {"load", "stretch or squeeze arrivals until they offer this load",
       [&](const Place& p) { c.load = w.number(p, kLeastLoad, kMostLoad); },
       [&](bool) { return c.load ? yaml_decimal(*c.load) : ""; }},
      {"estimates", "what policies are told about run times",
       [&](const Place& p) { c.estimates = read_estimates(w, p); },
       [&](bool) { return estimates_text(c.estimates); }},
  };
}
// clang-format on

}  // namespace

void read_workload(YamlWalk& w, const Place& at, WorkloadConfig& c) {
  w.section(at, workload_keys(w, c));
  if (!at.node.is_map()) return;
  if (c.trace.empty() && !c.generate) w.missing(at, "trace", "the trace file to replay (or `generate`, to make one)");
  if (!c.trace.empty() && c.generate) w.complain(at, "`workload` has both `trace` and `generate`; one is wanted");
  if (c.generate && c.trace.empty() && !c.generate->rate_per_1e9_h && !c.load)
    w.missing(at, "load", "generated arrivals need `load` or `generate.rate`");
  if (c.generate && c.generate->rate_per_1e9_h && c.load)
    w.complain(at, "`workload` has both `load` and `generate.rate`; one decides the arrivals");
}

std::string write_workload(WorkloadConfig c, bool digest) {
  YamlWalk none;
  return yaml_block(workload_keys(none, c), digest, 2);
}

}  // namespace orrery::app
