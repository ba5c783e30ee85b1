// `orrery trace import|check|stats|gen`: getting a trace into the canonical format and knowing what is in it; and the
// table of all actions of `orrery trace`.
#include <fmt/format.h>

#include <algorithm>

#include "scenarios/app/args.hpp"
#include "scenarios/app/catalogue_file.hpp"
#include "scenarios/app/cli.hpp"
#include "scenarios/app/trace_args.hpp"
#include "scenarios/report/table.hpp"
#include "sim/core/quantity.hpp"
#include "traces/lineage_stats.hpp"
#include "traces/stats.hpp"
#include "traces/synth/generators.hpp"

namespace orrery::app {
namespace po = boost::program_options;
namespace {

std::string stats_text(const TraceStats& s, const Trace& trace, std::int64_t gpus) {
  using report::human_duration;
  std::string out =
      fmt::format("jobs           {}{}\n", s.jobs,
                  s.cpu_only_jobs > 0 ? fmt::format(" ({} without GPU)", s.cpu_only_jobs) : std::string());
  if (s.tenants > 0) out += fmt::format("tenants        {}\n", s.tenants);
  out += fmt::format("span           {} ({:.0f} s, first to last submit)\n", human_duration(s.span_s), s.span_s);
  out += fmt::format("run time       mean {:.1f} s, median {:.0f} s, p90 {:.0f} s, p99 {:.0f} s, max {:.0f} s\n",
                     s.mean_s, s.p50_s, s.p90_s, s.p99_s, s.max_s);
  out += fmt::format("GPUs per job   mean {:.3f}, max {}\n", s.mean_gpus, s.max_gpus);
  for (const auto& [count, jobs] : s.by_gpus)
    out += fmt::format("  {:>4} GPUs    {:>8} jobs  {:>5.1f} %\n", count, jobs,
                       100.0 * static_cast<double>(jobs) / static_cast<double>(s.jobs));
  out += fmt::format("GPU-hours      {:.1f} (GPUs x run time)\n", s.gpu_hours);
  if (gpus > 0) out += fmt::format("load           {:.3f} on {} GPUs\n", offered_load(trace, gpus), gpus);
  if (s.arrival_cv > 0) out += fmt::format("gaps           CV {:.2f} (1 = Poisson)\n", s.arrival_cv);
  out += fmt::format("estimates      {}\n", trace.has_estimates ? "yes (estimate_s)" : "none");
  std::int64_t most = 1;
  for (const std::int64_t n : s.by_hour) most = std::max(most, n);
  if (s.span_s >= 86400) {
    out += "submits by hour since the trace's zero\n";
    for (std::size_t h = 0; h < s.by_hour.size(); ++h)
      out += fmt::format("  {:02}  {:>7} {}\n", h, s.by_hour[h],
                         std::string(static_cast<std::size_t>(40 * s.by_hour[h] / most), '#'));
  }
  return out;
}

std::string lineage_text(const LineageStats& s) {
  std::string out =
      fmt::format("lineage        {} roots, {} parents, {} children; {} hard and {} soft edges, depth {}\n", s.roots,
                  s.parents, s.children, s.hard_edges, s.soft_edges, s.depth);
  out += fmt::format("  per parent   {:.2f} children, at most {}\n", s.mean_children, s.max_children);
  out += fmt::format("  GPU-time     {:.1f} % in children\n", 100 * s.child_gpu_time_share);
  for (const auto& [per_mille, edges] : s.thresholds)
    out += fmt::format("  hard:{:<6.3g} {:>9} edges\n", per_mille / 1000.0, edges);
  for (const auto& [mode, jobs] : s.modes) out += fmt::format("  {:<14} {:>6} jobs\n", mode, jobs);
  if (s.gains > 0)
    out += fmt::format("  gains        {} known: {} positive, {} negative, {} none\n", s.gains, s.positive_gains,
                       s.negative_gains, s.gains - s.positive_gains - s.negative_gains);
  return out;
}

// The trace's jobs with their edges, on whatever cluster.
Expected<Workload> workload_of(const Trace& trace, const std::string& file) {
  NodeGroup any;
  any.count = 1;
  any.gpus_per_node = 1;
  return to_workload(trace, Topology({any}), file);
}

int import_trace(const std::vector<std::string>& arguments) {
  std::string formats;
  for (const TraceFormat& f : trace_formats()) formats += fmt::format("  {:<15} {}\n", f.name, f.about);
  Args args("orrery trace import FORMAT FILE -o OUT.csv[.gz|.zst]   (FORMAT: auto or one below)", {"format", "file"});
  args.options()("output,o", po::value<std::string>(), "canonical trace to write")(
      "skip-bad-rows", "count rows that cannot be read as dropped instead of stopping");
  if (auto ok = args.parse(arguments); !ok) return report_error(ok.error());
  if (args.wants_help()) return print(args.help() + "\nformats:\n" + formats) ? kOk : kRunFailed;
  if (!args.has("file") || !args.has("output"))
    return usage_error("`trace import` wants a format, a file and -o OUT",
                       "orrery trace import philly philly.csv.gz -o philly.csv.zst");
  const std::string& file = args.get<std::string>("file");
  const std::string& out = args.get<std::string>("output");
  auto trace = read_trace(file, read_options(args));
  if (!trace) return report_error(trace.error());
  const std::string made = fmt::format("made by: orrery trace import {} {}", trace->report.format, base_name(file));
  if (auto ok = write_trace(out, *trace, {made}); !ok) return report_error(ok.error());
  return print(report_text(trace->report) + fmt::format("wrote {}\n", out)) ? kOk : kRunFailed;
}

int check_trace(const std::vector<std::string>& arguments) {
  Args args("orrery trace check FILE", {"file"});
  add_read_options(args);
  if (auto ok = args.parse(arguments); !ok) return report_error(ok.error());
  if (args.wants_help()) return print(args.help()) ? kOk : kRunFailed;
  if (!args.has("file")) return usage_error("`trace check` wants a file");
  auto trace = read_trace(args.get<std::string>("file"), read_options(args));
  if (!trace) return report_error(trace.error());
  // Edges are only resolved when a workload is made of the trace.
  if (auto w = workload_of(*trace, args.get<std::string>("file")); !w) return report_error(w.error());
  return print(report_text(trace->report) + "ok\n") ? kOk : kRunFailed;
}

int show_stats(const std::vector<std::string>& arguments) {
  Args args("orrery trace stats FILE [--gpus 64x8]", {"file"});
  args.options()("format", po::value<std::string>(), "auto (default), canonical, philly, ...")(
      "gpus", po::value<std::string>(), "cluster size, 512 or 64x8: adds the offered load");
  if (auto ok = args.parse(arguments); !ok) return report_error(ok.error());
  if (args.wants_help()) return print(args.help()) ? kOk : kRunFailed;
  if (!args.has("file")) return usage_error("`trace stats` wants a file");
  const std::int64_t gpus = args.has("gpus") ? parse_gpus(args.get<std::string>("gpus")) : 0;
  if (args.has("gpus") && gpus == 0) return usage_error("--gpus wants a number of GPUs", "such as 512 or 64x8");
  auto trace = read_trace(args.get<std::string>("file"), read_options(args));
  if (!trace) return report_error(trace.error());
  std::string text = stats_text(trace_stats(*trace), *trace, gpus);
  const auto has_edges = [](const TraceJob& j) { return !j.after.empty(); };
  if (std::any_of(trace->jobs.begin(), trace->jobs.end(), has_edges)) {
    auto workload = workload_of(*trace, args.get<std::string>("file"));
    if (!workload) return report_error(workload.error());
    text += lineage_text(lineage_stats(*workload));
  }
  return print(text) ? kOk : kRunFailed;
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
  const auto decimal = [&](const std::string& name, double otherwise) {
    if (!args.has(name)) return otherwise;
    const auto v = parse_fixed(args.text(name), 9);
    if (!v || *v <= 0) wrong(fmt::format("--{} is `{}`; it must be a number > 0", name, args.text(name)));
    return v ? static_cast<double>(*v) / 1e9 : otherwise;
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
  if (args.has("load")) {
    s.load = decimal("load", 1);
    if (s.cluster_gpus == 0) wrong("--load needs the cluster's size", "--gpus 4x8 or --gpus 32");
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
  s.sigma = decimal("sigma", s.sigma);
  s.tenants = static_cast<std::int32_t>(args.get<std::uint16_t>("tenants"));
  s.overestimate = decimal("overestimate", 0);
  s.seed = args.get<std::uint64_t>("seed");
  s.zipf = decimal("zipf", s.zipf);
  if (s.zipf > 10) wrong("--zipf must be at most 10");
  s.deadlines = args.has("deadlines");
  s.priorities = args.has("priorities");
  if (args.has("size") && args.text("size") != "live" && args.text("size") != "cluster")
    wrong(fmt::format("--size is `{}`", args.text("size")), "cluster or live");
  s.size = args.text("size") == "live" ? SizeName::live : SizeName::cluster;
  const bool lineage = std::find(generator.keys.begin(), generator.keys.end(), "size") != generator.keys.end();
  if (lineage && !args.has("catalogue"))
    wrong("`trace gen lineage` draws its jobs from a catalogue", "--catalogue scenarios/models/catalogue.yaml");
  if (!lineage && args.has("catalogue"))
    wrong(fmt::format("--catalogue is no option of the generator `{}`", generator.name));
  for (const char* key : {"zipf", "size", "deadlines", "priorities"})
    if (args.has(key) && std::find(generator.keys.begin(), generator.keys.end(), key) == generator.keys.end())
      wrong(fmt::format("--{} is no option of the generator `{}`", key, generator.name));
  if (!errors.empty()) return tl::make_unexpected(Error(std::move(errors)));
  if (!lineage) return s;
  auto catalogue = read_catalogue(args.text("catalogue"), &s.device);
  if (!catalogue) return tl::make_unexpected(std::move(catalogue.error()));
  s.catalogue = {*catalogue, &(*catalogue)->catalogue};
  return s;
}

int generate(const std::vector<std::string>& arguments) {
  Args args("orrery trace gen NAME [--rate 12/h | --load 0.9 --gpus 4x8] [-o OUT]", {"model"});
  args.options()("jobs", po::value<std::int64_t>()->default_value(1000), "how many")(
      "rate", po::value<std::string>(), "arrivals per time, 12/h or 0.5/s")(
      "load", po::value<std::string>(), "sum(GPUs x run time) / (GPUs x span of submits), met exactly")(
      "gpus", po::value<std::string>(), "cluster size, 32 or 4x8: for --load, and no job is larger")(
      "mix", po::value<std::string>()->default_value("1:0.7,2:0.1,4:0.1,8:0.1"), "poisson: GPUs:weight of jobs")(
      "law", po::value<std::string>()->default_value("exponential"), "poisson: run times, exponential or lognormal")(
      "mean", po::value<std::string>()->default_value("1h"), "poisson: mean run time")(
      "sigma", po::value<std::string>(), "lognormal: standard deviation of ln(run time), default 1.5")(
      "catalogue", po::value<std::string>(), "lineage: the kinds of jobs, a YAML file; timed on H200s")(
      "size", po::value<std::string>(), "lineage: cluster (default) or live")(
      "zipf", po::value<std::string>(), "lineage: how unevenly children choose parents, default 1.1")(
      "deadlines", "gavel: a deadline of 1.2, 2 or 10 times the run time")(
      "priorities", "gavel: a fifth of the jobs weighs 5")("tenants", po::value<std::uint16_t>()->default_value(0),
                                                           "users; 0 = none, or the generator's own number")(
      "overestimate", po::value<std::string>(), "adds estimate_s, up to so many times the run time")(
      "seed", po::value<std::uint64_t>()->default_value(1), "same seed, same bytes")(
      "output,o", po::value<std::string>(), "file to write (.gz and .zst packed); default: standard output");
  if (auto ok = args.parse(arguments); !ok) return report_error(ok.error());
  std::string known;
  std::vector<std::string_view> names;
  for (const Generator& g : generators()) {
    known += fmt::format("  {:<8} {}\n", g.name, g.about);
    names.push_back(g.name);
  }
  if (args.wants_help()) return print(args.help() + "\ngenerators:\n" + known) ? kOk : kRunFailed;
  const Generator* generator = find_generator(args.text("model"));
  if (generator == nullptr)
    return usage_error(args.has("model") ? fmt::format("unknown generator `{}`", args.text("model"))
                                         : std::string("`trace gen` wants a generator"),
                       fmt::format("{}", fmt::join(names, ", ")));
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

}  // namespace

int trace_verb(const std::vector<std::string>& arguments) {
  static const std::vector<Verb> table{
      {"import", "a foreign trace into the canonical format; says what it kept and dropped", import_trace},
      {"check", "reads a trace and reports every error with file:line:column", check_trace},
      {"stats", "jobs, run times, GPUs, load, arrivals and lineage of a trace", show_stats},
      {"gen", "generates a trace: poisson, gavel, philly, acme, lineage", generate},
      {"export", "a trace for other simulators: swf, batsim; says what is lost", export_trace},
      {"scale", "arrivals to a load or by a factor, GPUs by a factor", scale_trace},
      {"slice", "some jobs of a trace, by number or by time", slice_action},
      {"merge", "several traces as one", merge_action},
  };
  std::string overview = "usage: orrery trace ACTION ...\n\n";
  std::vector<std::string_view> names;
  for (const Verb& v : table) {
    overview += fmt::format("  {:<8} {}\n", v.name, v.summary);
    names.push_back(v.name);
  }
  if (arguments.empty() || arguments.front() == "--help" || arguments.front() == "-h") {
    const bool asked = !arguments.empty();
    if (asked) return print(overview) ? kOk : kRunFailed;
    return usage_error("`orrery trace` wants an action", fmt::format("{}", fmt::join(names, ", ")));
  }
  for (const Verb& v : table)
    if (v.name == arguments.front()) return v.run({arguments.begin() + 1, arguments.end()});
  const auto near = closest(arguments.front(), names);
  return usage_error(fmt::format("unknown action `trace {}`", arguments.front()),
                     near.empty() ? "" : fmt::format("did you mean `{}`?", near));
}

}  // namespace orrery::app
