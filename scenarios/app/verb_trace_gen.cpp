// `orrery trace gen`: workloads out of nothing but a seed.
#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "scenarios/app/args.hpp"
#include "scenarios/app/cli.hpp"
#include "scenarios/app/trace_args.hpp"
#include "scenarios/spec/catalogue_file.hpp"
#include "sim/core/joined.hpp"
#include "sim/core/quantity.hpp"
#include "traces/profiles/profiles.hpp"
#include "traces/synth/generators.hpp"

namespace orrery::app {
namespace {

// "a,b" is a and b.
std::vector<std::string> parts_of(std::string text) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    const std::size_t comma = std::min(text.find(','), text.size());
    parts.push_back(text.substr(0, comma));
    text.erase(0, comma + 1);
  }
  return parts;
}

// Of "positive=0.3"; returns what is wrong with it, or nothing.
std::string set_gain(GainLaw& gains, const std::string& part) {
  const std::size_t equals = std::min(part.find('='), part.size());
  std::vector<std::string_view> names;
  for (const GainParameter& p : gain_parameters()) {
    names.push_back(p.name);
    if (p.name != part.substr(0, equals)) continue;
    const auto v = equals == part.size() ? std::nullopt : parse_fixed(part.substr(equals + 1), 9);
    if (!v || *v < 0 || static_cast<double>(*v) / 1e9 > p.most)
      return fmt::format("which must be a number from 0 to {}", p.most);
    gains.*p.value = static_cast<double>(*v) / 1e9;
    return {};
  }
  return fmt::format("which is none of {}", joined(names, ", "));
}

std::string gains_help() {
  std::string out = "lineage: how gains differ, default ";
  for (const GainParameter& p : gain_parameters())
    out += fmt::format("{}{}={}", &p == &gain_parameters().front() ? "" : ",", p.name, GainLaw{}.*p.value);
  return out;
}

using Complain = std::function<void(std::string message, std::string hint)>;
using Decimal = std::function<double(const std::string& name, double otherwise, double least, double most)>;

// The keys that only lineages have.
void read_lineage(const Args& args, GenerateSpec& s, const Complain& wrong, const Decimal& decimal) {
  s.zipf = decimal("zipf", s.zipf, 0, 10);
  for (const std::string& part : parts_of(args.text("gains")))
    if (const std::string what = set_gain(s.gains, part); !what.empty())
      wrong(fmt::format("--gains has `{}`, {}", part, what), "");
  if (const std::string what = wrong_with(s.gains); !what.empty()) wrong("--gains: " + what, "");
  if (args.has("size") && args.text("size") != "live" && args.text("size") != "cluster")
    wrong(fmt::format("--size is `{}`", args.text("size")), "cluster or live");
  s.size = args.text("size") == "live" ? SizeName::live : SizeName::cluster;
  s.grids = decimal("grids", s.grids, 0, 1);
  const auto& arrivals = parent_arrivals();
  const auto found = std::find(arrivals.begin(), arrivals.end(), args.text("parents"));
  if (found != arrivals.end())
    s.parents = static_cast<ParentArrivals>(found - arrivals.begin());
  else if (args.has("parents"))
    wrong(fmt::format("--parents is `{}`", args.text("parents")), joined(arrivals, ", "));
  s.children = decimal("children", s.children, 0.001, 0.99);
  if (args.has("edges") && args.text("edges") != "true" && args.text("edges") != "false")
    wrong(fmt::format("--edges is `{}`", args.text("edges")), "true or false");
  s.edges = args.text("edges") != "false";
  s.independent = decimal("independent", s.independent, 0, 0.99);
  s.elastic = decimal("elastic", s.elastic, 0, 1);
  const double epochs = decimal("epochs", 0, 0, 1e6);
  s.epochs = static_cast<std::int32_t>(epochs);
  if (epochs != static_cast<double>(s.epochs))
    wrong(fmt::format("--epochs is `{}`; it must be whole", args.text("epochs")), "");
  if (s.elastic > 0 && s.size == SizeName::live)
    wrong("--elastic is for jobs of size `cluster`", "what a job of size `live` takes was measured on one number");
}

Expected<GenerateSpec> generate_spec(const Args& args, const Generator& generator) {
  GenerateSpec s;
  s.model = generator.name;
  std::vector<Diagnostic> errors;
  const auto wrong = [&errors](std::string message, std::string hint = {}) {
    Diagnostic d{std::move(message)};
    d.hint = std::move(hint);
    errors.push_back(std::move(d));
  };
  const auto decimal = [&](const std::string& name, double otherwise, double least, double most) {
    if (!args.has(name)) return otherwise;
    const auto v = parse_fixed(args.text(name), 9);
    const double n = v ? static_cast<double>(*v) / 1e9 : 0;
    if (v && n >= least && n <= most) return n;
    wrong(fmt::format("--{} is `{}`; it must be a number from {} to {}", name, args.text(name), least, most));
    return otherwise;
  };
  s.jobs = args.get<std::int64_t>("jobs");
  if (s.jobs < 1 || s.jobs > 100'000'000) wrong("--jobs must be from 1 to 100000000");
  if (args.has("rate")) {
    const auto rate = parse_frequency(args.text("rate"));
    if (rate && *rate > 0)
      s.rate_per_1e9_h = *rate;
    else
      wrong(fmt::format("--rate is `{}`", args.text("rate")), "write `12/h` or `0.5/s`");
  }
  s.cluster_gpus = args.has("gpus") ? parse_gpus(args.text("gpus")) : 0;
  if (args.has("gpus") && s.cluster_gpus == 0)
    wrong(fmt::format("--gpus is `{}`; it must be a number of GPUs", args.text("gpus")), "such as 32 or 4x8");
  if (args.has("load")) {
    s.load = decimal("load", 1, 0.001, 1e6);
    if (!args.has("gpus")) wrong("--load needs the cluster's size", "--gpus 4x8 or --gpus 32");
  }
  if (args.has("rate") == args.has("load")) wrong("give either --rate 12/h, or --load 0.9 and --gpus 4x8");
  if (auto mix = parse_gpu_mix(args.text("mix")))
    s.gpu_mix = std::move(*mix);
  else
    wrong(fmt::format("--mix is `{}`: {}", args.text("mix"), mix.error()), "write 1:0.7,2:0.1,8:0.2");
  const std::string law = args.text("law");
  if (law != "exponential" && law != "lognormal")
    wrong(fmt::format("--law is `{}`", law), "exponential or lognormal");
  s.law = law == "lognormal" ? DurationLaw::lognormal : DurationLaw::exponential;
  if (auto mean = parse_duration(args.text("mean")); mean && mean->ns > 0)
    s.mean = *mean;
  else
    wrong(fmt::format("--mean is `{}`", args.text("mean")), "write `30m` or `2h`");
  s.sigma = decimal("sigma", s.sigma, 0, 10);
  s.tenants = static_cast<std::int32_t>(args.get<std::uint16_t>("tenants"));
  s.overestimate = decimal("overestimate", 0, 0, 1000);
  s.seed = args.get<std::uint64_t>("seed");
  read_lineage(args, s, wrong, decimal);
  s.deadlines = args.has("deadlines");
  s.priorities = args.has("priorities");
  const bool lineage = std::find(generator.keys.begin(), generator.keys.end(), "size") != generator.keys.end();
  if (lineage && !args.has("catalogue"))
    wrong("`trace gen lineage` draws its jobs from a catalogue", "--catalogue scenarios/jobs/catalogue.yaml");
  if (!lineage && args.has("catalogue"))
    wrong(fmt::format("--catalogue is no option of the generator `{}`", generator.name));
  for (const char* key : {"zipf", "size", "gains", "grids", "parents", "children", "edges", "independent", "elastic",
                          "epochs", "deadlines", "priorities"})
    if (args.has(key) && std::find(generator.keys.begin(), generator.keys.end(), key) == generator.keys.end())
      wrong(fmt::format("--{} is no option of the generator `{}`", key, generator.name));
  if (args.has("throughputs") && generator.name != "gavel")
    wrong(fmt::format("--throughputs is no option of the generator `{}`", generator.name));
  if (!errors.empty()) return tl::make_unexpected(Error(std::move(errors)));
  if (args.has("throughputs")) {
    auto table = read_gavel_throughputs(args.text("throughputs"));
    if (!table) return tl::make_unexpected(std::move(table.error()));
    s.throughputs = std::make_shared<const ThroughputSet>(*std::move(table));
  }
  if (!lineage) return s;
  auto catalogue = read_catalogue(args.text("catalogue"), &s.device);
  if (!catalogue) return tl::make_unexpected(std::move(catalogue.error()));
  s.catalogue = {*catalogue, &(*catalogue)->catalogue};
  return s;
}

}  // namespace

int generate_trace(const std::vector<std::string>& arguments) {
  Args args("orrery trace gen NAME [--rate 12/h | --load 0.9 --gpus 4x8] [-o OUT]", {"model"});
  args.options()("jobs", taking<std::int64_t>().otherwise(1000), "how many")("rate", taking<std::string>(),
                                                                             "arrivals per time, 12/h or 0.5/s")(
      "load", taking<std::string>(), "sum(GPUs x run time) / (GPUs x span of submits), met exactly")(
      "gpus", taking<std::string>(), "cluster size, 32 or 4x8: for --load, and no job is larger")(
      "mix", taking<std::string>().otherwise("1:0.7,2:0.1,4:0.1,8:0.1"), "poisson: GPUs:weight of jobs")(
      "law", taking<std::string>().otherwise("exponential"), "poisson: run times, exponential or lognormal")(
      "mean", taking<std::string>().otherwise("1h"), "poisson: mean run time")(
      "sigma", taking<std::string>(), "lognormal: standard deviation of ln(run time), default 1.5")(
      "catalogue", taking<std::string>(), "lineage: the kinds of jobs, a YAML file; timed on H200s")(
      "size", taking<std::string>(), "lineage: cluster (default) or live")(
      "zipf", taking<std::string>(), "lineage: how unevenly children choose parents, default 1.1")(
      "gains", taking<std::string>(), gains_help().c_str())(
      "grids", taking<std::string>(), "lineage: share of LoRA jobs and probes submitted as grids, default 0.15")(
      "parents", taking<std::string>(), "lineage: pretraining jobs come natural (default), burst or staggered")(
      "children", taking<std::string>(), "lineage: share of the lineages' GPU-time in children; default: as drawn")(
      "edges", taking<std::string>(), "lineage: false: the same jobs, none descends from another")(
      "independent", taking<std::string>(), "lineage: share of all GPU-time in jobs beside the lineages, default 0")(
      "elastic", taking<std::string>(), "lineage: share of each kind's jobs with a range of GPUs, default 0")(
      "epochs", taking<std::string>(), "lineage: passes over its data of a transfer job, default 0: unknown")(
      "throughputs", taking<std::string>(), "gavel: a table of steps per second; jobs get iterations by it")(
      "deadlines", "gavel: a deadline of 1.2, 2 or 10 times the run time")(
      "priorities", "gavel: a fifth of the jobs weighs 5")("tenants", taking<std::uint16_t>().otherwise(0),
                                                           "users; 0 = none, or the generator's own number")(
      "overestimate", taking<std::string>(), "adds estimate_s, up to so many times the run time")(
      "seed", taking<std::uint64_t>().otherwise(1), "same seed, same bytes")(
      "output,o", taking<std::string>(), "file to write (.gz and .zst packed); default: standard output");
  if (auto ok = args.parse(arguments); !ok) return report_error(ok.error());
  std::string known;
  std::vector<std::string_view> names;
  for (const Generator& g : generators()) {
    known += fmt::format("  {:<8} {}\n", g.name, g.about);
    names.push_back(g.name);
  }
  if (args.wants_help()) return print(args.help() + "\ngenerators:\n" + known) ? kOk : kRunFailed;
  const Generator* generator = find_generator(args.text("model"));
  if (generator == nullptr) {
    const std::string_view near = closest(args.text("model"), names);
    return usage_error(args.has("model") ? fmt::format("unknown generator `{}`", args.text("model"))
                                         : std::string("`trace gen` wants a generator"),
                       near.empty() ? joined(names, ", ") : fmt::format("did you mean `{}`?", near));
  }
  if (auto ok = spare_inputs(args.text("output"), {args.text("catalogue"), args.text("throughputs")}); !ok)
    return report_error(ok.error());
  auto spec = generate_spec(args, *generator);
  if (!spec) return report_error(spec.error());
  const auto made = orrery::generate(*spec);
  if (!made) return report_error(made.error());
  const Trace& trace = *made;
  // The header holds what makes these bytes again.
  const std::vector<std::string> comments{
      fmt::format("generated, seed {}: {}", spec->seed, trace_command("gen", arguments))};
  if (!args.has("output")) return print(canonical_text(trace, comments)) ? kOk : kRunFailed;
  if (auto ok = write_trace(args.text("output"), trace, comments); !ok) return report_error(ok.error());
  return print(fmt::format("wrote {} jobs to {}\n", trace.jobs.size(), args.text("output"))) ? kOk : kRunFailed;
}

}  // namespace orrery::app
