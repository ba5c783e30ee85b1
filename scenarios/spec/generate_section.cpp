// The section `workload.generate` of a scenario: which generator makes the workload, and its keys.
#include <fmt/format.h>

#include <algorithm>

#include "scenarios/spec/scenario_sections.hpp"
#include "scenarios/spec/yaml_text.hpp"
#include "traces/format/phase_cells.hpp"
#include "traces/synth/generators.hpp"

namespace orrery::app {

// clang-format off
namespace {

constexpr double kMostSigma = 10, kMostOverestimate = 1000;
constexpr double kLeastShare = 0.001, kMostShare = 0.99;

YamlWalk::Keys gain_keys(YamlWalk& w, GainLaw& gains) {
  YamlWalk::Keys keys;
  for (const GainParameter& parameter : gain_parameters())
    keys.emplace_back(parameter.name, parameter.about,
                      [&w, &gains, &parameter](const Place& p) {
                        gains.*parameter.value = w.number(p, 0, parameter.most);
                      },
                      [&gains, &parameter](bool) { return yaml_decimal(gains.*parameter.value); });
  return keys;
}

void read_gains(YamlWalk& w, const Place& at, GainLaw& gains) {
  w.section(at, gain_keys(w, gains));
  if (const std::string wrong = wrong_with(gains); !wrong.empty())
    w.complain(at, fmt::format("`{}`: {}", at.path, wrong));
}

void read_mix(YamlWalk& w, const Place& at, GenerateSpec& g) {
  g.gpu_mix.clear();
  if (w.lists()) return w.takes(at, "map of numbers of GPUs to weights");
  w.section(at, {}, [&](const std::string& key, const Place& weight) {
    auto mix = parse_gpu_mix(key);
    if (!mix)
      w.complain(w.key_of(weight), fmt::format("`{}` in {} is no number of GPUs", key, at.path));
    else
      g.gpu_mix.emplace_back(mix->front().first, w.number(weight, 1e-9, 1e9));
  });
  if (g.gpu_mix.empty()) g.gpu_mix.emplace_back(1, 1.0);
}

std::string mix_text(const GenerateSpec& g) {
  std::string out;
  for (const auto& [gpus, weight] : g.gpu_mix)
    out += fmt::format("{} {}: {}", out.empty() ? "" : ",", gpus, yaml_decimal(weight));
  return "{" + out + " }";
}

// Keys that only some generators take, as they are met: where.
using OwnKeys = std::vector<std::pair<std::string, Place>>;

ParentArrivals read_arrivals(YamlWalk& w, const Place& at) {
  const auto& names = parent_arrivals();
  const auto found = std::find(names.begin(), names.end(), w.choice(at, names));
  return found == names.end() ? ParentArrivals::natural : static_cast<ParentArrivals>(found - names.begin());
}

void read_phases(YamlWalk& w, const Place& at, GenerateSpec& g) {
  w.section(at, {}, [&](const std::string& kind, const Place& cell) {
    g.phases[kind] = w.word(cell);
    if (const std::string why = why_no_phases(g.phases[kind]); !why.empty())
      w.complain(cell, fmt::format("`{}` {}", cell.path, why), std::string(kPhasesForm));
  }, "the parts of the work of this kind of job");
}

std::string phases_text(const GenerateSpec& g) {
  std::string text;
  for (const auto& [kind, cell] : g.phases)
    text += fmt::format("{}{}: {}", text.empty() ? "" : ", ", kind, yaml_item(cell));
  return text.empty() ? "" : "{ " + text + " }";
}

YamlWalk::Keys generate_keys(YamlWalk& w, GenerateSpec& g, OwnKeys& given) {
  // A key of some generators; written by those alone. `plain`: it has its default, which makes the same workload as
  // before there was such a key, and is not part of a digest.
  const auto own = [&w, &g, &given](std::string_view name, std::string_view about,
                                    std::function<void(const Place&)> read, std::function<std::string()> write,
                                    std::function<bool()> plain = {}) {
    return YamlWalk::Key(name, about,
                         [&given, name, read](const Place& p) {
                           given.emplace_back(name, p);
                           read(p);
                         },
                         [&g, name, write, plain](bool digest) {
                           const Generator* model = find_generator(g.model);
                           const bool takes = model != nullptr && std::find(model->keys.begin(), model->keys.end(),
                                                                            name) != model->keys.end();
                           return takes && !(digest && plain && plain()) ? write() : std::string();
                         });
  };
  const auto flag = [&w](const Place& p) { return w.boolean(p) ? std::int64_t{1} : std::int64_t{0}; };
  return {
      {"jobs", "how many jobs",
       [&](const Place& p) { g.jobs = w.integer(p, 1, 100'000'000); },
       [&](bool) { return fmt::format("{}", g.jobs); }},
      {"model", "the generator",
       [&](const Place& p) {
         std::vector<std::string_view> names;
         for (const Generator& known : generators()) names.push_back(known.name);
         g.model = w.choice(p, names);
       },
       [&](bool) { return g.model != "poisson" ? g.model : ""; }},
      {"rate", "arrivals per time; this or `workload.load`",
       [&](const Place& p) { g.rate_per_1e9_h = w.positive(p, parse_frequency); },
       [&](bool) { return g.rate_per_1e9_h ? yaml_fixed(*g.rate_per_1e9_h, 9) + "/h" : ""; }},
      own("gpus", "poisson: numbers of GPUs and their weights",
          [&](const Place& p) { read_mix(w, p, g); },
          [&] { return mix_text(g); }),
      own("law", "poisson: law of run times",
          [&](const Place& p) {
            const bool lognormal = w.choice(p, {"exponential", "lognormal"}) == "lognormal";
            g.law = lognormal ? DurationLaw::lognormal : DurationLaw::exponential;
          },
          [&] { return g.law == DurationLaw::lognormal ? "lognormal" : "exponential"; }),
      own("mean", "poisson: mean run time",
          [&](const Place& p) { g.mean = w.positive(p, parse_duration); },
          [&] { return format_duration(g.mean); }),
      own("sigma", "poisson, lognormal: standard deviation of the logarithm",
          [&](const Place& p) { g.sigma = w.number(p, 0, kMostSigma); },
          [&] { return yaml_decimal(g.sigma); }),
      own("zipf", "lineage: how unevenly children choose parents",
          [&](const Place& p) { g.zipf = w.number(p, 0, 10); },
          [&] { return yaml_decimal(g.zipf); }),
      own("size", "lineage: size of the jobs",
          [&](const Place& p) {
            g.size = w.choice(p, {"cluster", "live"}) == "live" ? SizeName::live : SizeName::cluster;
          },
          [&] { return std::string(to_string(g.size)); }),
      own("gains", "lineage: how transfer gains differ",
          [&](const Place& p) { read_gains(w, p, g.gains); },
          [&] { return yaml_flow(gain_keys(w, g.gains), false); }),
      own("grids", "lineage: share of submissions of LoRA jobs and probes that are a grid of 4, 8 or 16",
          [&](const Place& p) { g.grids = w.number(p, 0, 1); },
          [&] { return yaml_decimal(g.grids); },
          [&] { return g.grids == kUsualGrids; }),
      own("parents", "lineage: when pretraining jobs are submitted: as drawn, all at t = 0, or at even gaps",
          [&](const Place& p) { g.parents = read_arrivals(w, p); },
          [&] { return std::string(to_string(g.parents)); },
          [&] { return g.parents == ParentArrivals::natural; }),
      own("children", "lineage: share of the lineages' GPU-time in children; default: as drawn",
          [&](const Place& p) { g.children = w.number(p, kLeastShare, kMostShare); },
          [&] { return g.children > 0 ? yaml_decimal(g.children) : ""; }),
      own("edges", "lineage: jobs descend from others; false: the same jobs, each on its own",
          [&](const Place& p) { g.edges = w.boolean(p); },
          [&] { return fmt::format("{}", g.edges); },
          [&] { return g.edges; }),
      own("independent", "lineage: share of all GPU-time in jobs beside the lineages",
          [&](const Place& p) { g.independent = w.number(p, 0, kMostShare); },
          [&] { return yaml_decimal(g.independent); },
          [&] { return g.independent == 0; }),
      own("elastic", "lineage: share of the jobs of each kind that may have other numbers of GPUs",
          [&](const Place& p) { g.elastic = w.number(p, 0, 1); },
          [&] { return yaml_decimal(g.elastic); },
          [&] { return g.elastic == 0; }),
      own("epochs", "lineage: passes over its data that a transfer job makes from its base checkpoint; 0 = unknown",
          [&](const Place& p) { g.epochs = static_cast<std::int32_t>(w.integer(p, 0, 1'000'000)); },
          [&] { return fmt::format("{}", g.epochs); },
          [&] { return g.epochs == 0; }),
      own("phases", "lineage: by kind of job, the parts of its work whose steps are alike, as in the column `phases`",
          [&](const Place& p) { read_phases(w, p, g); },
          [&] { return phases_text(g); },
          [&] { return g.phases.empty(); }),
      own("deadlines", "gavel: jobs have deadlines",
          [&, flag](const Place& p) { g.deadlines = flag(p); },
          [&] { return fmt::format("{}", g.deadlines != 0); }),
      own("priorities", "gavel: a fifth of the jobs weighs 5",
          [&, flag](const Place& p) { g.priorities = flag(p); },
          [&] { return fmt::format("{}", g.priorities != 0); }),
      {"tenants", "how many users; 0 = none, or the generator's own number",
       [&](const Place& p) { g.tenants = static_cast<std::int32_t>(w.integer(p, 0, 1'000'000)); },
       [&](bool) { return fmt::format("{}", g.tenants); }},
      {"overestimate", "users claim up to so many times the run time; 0 = no estimates",
       [&](const Place& p) { g.overestimate = w.number(p, 0, kMostOverestimate); },
       [&](bool) { return g.overestimate > 0 ? yaml_decimal(g.overestimate) : ""; }},
  };
}

}  // namespace

GenerateSpec read_generate(YamlWalk& w, const Place& at) {
  GenerateSpec g;
  OwnKeys given;
  w.section(at, generate_keys(w, g, given));
  if (const Generator* model = find_generator(g.model))
    for (const auto& [key, place] : given)
      if (std::find(model->keys.begin(), model->keys.end(), key) == model->keys.end())
        w.complain(place, fmt::format("`{}` is no key of the generator `{}`", place.path, g.model));
  for (const auto& [key, place] : given)
    if (key == "elastic" && g.elastic > 0 && g.size == SizeName::live)
      w.complain(place, fmt::format("`{}` is for jobs of size `cluster`: what a job of size `live` takes was "
                                    "measured on one number of slots",
                                    place.path));
  return g;
}
// clang-format on

std::string write_generate(GenerateSpec g, bool digest) {
  YamlWalk none;
  OwnKeys given;
  return yaml_block(generate_keys(none, g, given), digest, 4);
}

void check_generated(YamlWalk& w, const Place& workload, const Scenario& s) {
  const WorkloadConfig& c = s.workload;
  if (!c.generate) return;
  const bool lineage = c.generate->model == "lineage";
  if (!lineage && !c.catalogue.empty())
    w.complain(workload, fmt::format("`workload.catalogue` is of no use to the generator `{}`", c.generate->model));
  if (lineage && c.catalogue.empty())
    w.missing(workload, "catalogue", "the kinds of jobs that the generator `lineage` draws from, a YAML file");
  if (!lineage || c.generate->size == SizeName::live) return;
  const auto& groups = s.cluster.groups;
  const auto at = std::find_if(groups.begin(), groups.end(), [](const NodeGroup& g) { return g.gpus_per_node > 0; });
  if (at != groups.end() && at->peak_gflop_per_s == 0)
    w.complain(workload, fmt::format("run times of generated lineages follow from what a GPU can do, and group `{}` "
                                     "says no `peak_tflops`",
                                     at->name));
}

}  // namespace orrery::app
