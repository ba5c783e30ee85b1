#include "scenarios/spec/read_generate.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace orrery::app {

// clang-format off
namespace {

constexpr double kMostSigma = 10, kMostOverestimate = 1000;

void read_gains(YamlWalk& w, const Place& at, GainLaw& gains) {
  YamlWalk::Keys keys;
  for (const GainParameter& parameter : gain_parameters())
    keys.emplace_back(parameter.name, parameter.about, [&w, &gains, &parameter](const Place& p) {
      gains.*parameter.value = w.number(p, 0, parameter.most);
    });
  w.section(at, keys);
  if (const std::string wrong = wrong_with(gains); !wrong.empty())
    w.complain(at, fmt::format("`{}`: {}", at.path, wrong));
}

}  // namespace

GenerateSpec read_generate(YamlWalk& w, const Place& at) {
  GenerateSpec g;
  std::vector<std::pair<std::string, Place>> given;  // keys that only some generators take
  const auto flag = [&](const Place& p) { return w.boolean(p) ? std::int64_t{1} : std::int64_t{0}; };
  const auto own = [&given](const char* key, const Place& p) { given.emplace_back(key, p); };
  w.section(at, {
      {"model", "the generator",
       [&](const Place& p) {
         std::vector<std::string_view> names;
         for (const Generator& known : generators()) names.push_back(known.name);
         g.model = w.choice(p, names);
       }},
      {"zipf", "lineage: how unevenly children choose parents",
       [&](const Place& p) {
         g.zipf = w.number(p, 0, 10);
         own("zipf", p);
       }},
      {"size", "lineage: size of the jobs",
       [&](const Place& p) {
         own("size", p);
         g.size = w.choice(p, {"cluster", "live"}) == "live" ? SizeName::live : SizeName::cluster;
       }},
      {"gains", "lineage: how transfer gains differ",
       [&](const Place& p) { read_gains(w, p, g.gains); own("gains", p); }},
      {"deadlines", "gavel: jobs have deadlines",
       [&](const Place& p) { g.deadlines = flag(p); own("deadlines", p); }},
      {"priorities", "gavel: a fifth of the jobs weighs 5",
       [&](const Place& p) { g.priorities = flag(p); own("priorities", p); }},
      {"jobs", "how many jobs",
       [&](const Place& p) { g.jobs = w.integer(p, 1, 100'000'000); }},
      {"rate", "arrivals per time; this or `workload.load`",
       [&](const Place& p) { g.rate_per_1e9_h = w.positive(p, parse_frequency); }},
      {"gpus", "poisson: numbers of GPUs and their weights",
       [&](const Place& p) {
         own("gpus", p);
         g.gpu_mix.clear();
         if (w.lists()) return w.takes(p, "map of numbers of GPUs to weights");
         w.section(p, {}, [&](const std::string& key, const Place& weight) {
           auto mix = parse_gpu_mix(key);
           if (!mix)
             w.complain(weight, fmt::format("`{}` in {} is no number of GPUs", key, p.path));
           else
             g.gpu_mix.emplace_back(mix->front().first, w.number(weight, 1e-9, 1e9));
         });
         if (g.gpu_mix.empty()) g.gpu_mix.emplace_back(1, 1.0);
       }},
      {"law", "poisson: law of run times",
       [&](const Place& p) {
         own("law", p);
         const bool lognormal = w.choice(p, {"exponential", "lognormal"}) == "lognormal";
         g.law = lognormal ? DurationLaw::lognormal : DurationLaw::exponential;
       }},
      {"mean", "poisson: mean run time",
       [&](const Place& p) {
         own("mean", p);
         g.mean = w.positive(p, parse_duration);
       }},
      {"sigma", "poisson, lognormal: standard deviation of the logarithm",
       [&](const Place& p) { g.sigma = w.number(p, 0, kMostSigma); own("sigma", p); }},
      {"tenants", "how many users; 0 = none, or the generator's own number",
       [&](const Place& p) { g.tenants = static_cast<std::int32_t>(w.integer(p, 0, 1'000'000)); }},
      {"overestimate", "users claim up to so many times the run time; 0 = no estimates",
       [&](const Place& p) { g.overestimate = w.number(p, 0, kMostOverestimate); }},
  });
  if (const Generator* model = find_generator(g.model))
    for (const auto& [key, place] : given)
      if (std::find(model->keys.begin(), model->keys.end(), key) == model->keys.end())
        w.complain(place, fmt::format("`{}` is no key of the generator `{}`", place.path, g.model));
  return g;
}
// clang-format on

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
