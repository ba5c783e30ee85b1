// `orrery trace import|check|stats`: getting a trace into the canonical format and knowing what is in it; and the
// table of all actions of `orrery trace`.
#include <fmt/format.h>

#include <algorithm>

#include "scenarios/app/args.hpp"
#include "scenarios/app/cli.hpp"
#include "scenarios/app/trace_args.hpp"
#include "scenarios/report/table.hpp"
#include "traces/edit/lineage_stats.hpp"
#include "traces/edit/stats.hpp"

namespace orrery::app {
namespace {

// What is known of how long jobs run, and what that is on so many GPUs (0 = not asked).
std::string times_text(const TraceStats& s, const Trace& trace, std::int64_t gpus) {
  if (s.untimed_jobs == s.jobs) return "run time       unknown: follows from profiles (as do GPU-hours and load)\n";
  std::string out =
      fmt::format("run time       mean {:.1f} s, median {:.0f} s, p90 {:.0f} s, p99 {:.0f} s, max {:.0f} s\n",
                  s.mean_s, s.p50_s, s.p90_s, s.p99_s, s.max_s);
  out += fmt::format("GPU-hours      {:.1f} (GPUs x run time)\n", s.gpu_hours);
  if (s.untimed_jobs > 0)
    return out + fmt::format(
                     "               both of {} jobs; those of the other {} follow from profiles, and so does load\n",
                     s.jobs - s.untimed_jobs, s.untimed_jobs);
  if (gpus > 0) out += fmt::format("load           {}\n", load_text(trace, gpus));
  return out;
}

std::string sizes_text(const TraceStats& s) {
  std::string out = fmt::format("GPUs per job   mean {:.3f}, max {}\n", s.mean_gpus, s.max_gpus);
  for (const auto& [count, jobs] : s.by_gpus)
    out += fmt::format("  {:>4} GPUs    {:>8} jobs  {:>5.1f} %\n", count, jobs,
                       100.0 * static_cast<double>(jobs) / static_cast<double>(s.jobs));
  return out;
}

// The hours that have submits.
std::string hours_text(const TraceStats& s) {
  const std::int64_t most = *std::max_element(s.by_hour.begin(), s.by_hour.end());
  std::string out =
      fmt::format("submits by hour since the trace's zero{}\n", s.span_s > 86400 ? ", all days together" : "");
  for (std::size_t h = 0; h < s.by_hour.size(); ++h)
    if (s.by_hour[h] > 0)
      out += fmt::format("  {:02}  {:>7}  {:>5.1f} % {}\n", h, s.by_hour[h],
                         100.0 * static_cast<double>(s.by_hour[h]) / static_cast<double>(s.jobs),
                         std::string(static_cast<std::size_t>(40 * s.by_hour[h] / most), '#'));
  return out;
}

std::string lineage_text(const LineageStats& s, bool times_known) {
  std::string out =
      fmt::format("lineage        {} roots, {} parents, {} children; {} hard and {} soft edges, depth {}\n", s.roots,
                  s.parents, s.children, s.hard_edges, s.soft_edges, s.depth);
  out += fmt::format("  per parent   {:.2f} children, at most {}\n", s.mean_children, s.max_children);
  if (times_known) out += fmt::format("  GPU-time     {:.1f} % in children\n", 100 * s.child_gpu_time_share);
  for (const auto& [per_mille, edges] : s.thresholds)
    out += fmt::format("  hard:{:<6.3g} {:>9} edges\n", per_mille / 1000.0, edges);
  for (const auto& [mode, jobs] : s.modes) out += fmt::format("  {:<14} {:>6} jobs\n", mode, jobs);
  if (s.gains > 0)
    out += fmt::format("  gains        {} known: {} positive ({:.1f} %), {} negative ({:.1f} %), {} none\n", s.gains,
                       s.positive_gains, 100.0 * static_cast<double>(s.positive_gains) / static_cast<double>(s.gains),
                       s.negative_gains, 100.0 * static_cast<double>(s.negative_gains) / static_cast<double>(s.gains),
                       s.gains - s.positive_gains - s.negative_gains);
  return out;
}

int import_trace(const std::vector<std::string>& arguments) {
  std::string formats;
  for (const TraceFormat& f : trace_formats()) formats += fmt::format("  {:<15} {}\n", f.name, f.about);
  Args args("orrery trace import FORMAT FILE -o OUT.csv[.gz|.zst]   (FORMAT: auto or one below)", {"format", "file"});
  args.options()("output,o", taking<std::string>(), "canonical trace to write")(
      "skip-bad-rows", "count rows that cannot be read as dropped instead of stopping");
  if (auto ok = args.parse(arguments); !ok) return report_error(ok.error());
  if (args.wants_help()) return print(args.help() + "\nformats:\n" + formats) ? kOk : kRunFailed;
  if (!args.has("file") || !args.has("output"))
    return usage_error("`trace import` wants a format, a file and -o OUT",
                       "orrery trace import philly philly.csv.gz -o philly.csv.zst");
  const std::string& file = args.get<std::string>("file");
  const std::string& out = args.get<std::string>("output");
  if (auto ok = spare_inputs(out, {file}); !ok) return report_error(ok.error());
  auto trace = read_trace(file, read_options(args));
  if (!trace) return report_error(trace.error());
  const std::string made = fmt::format("made by: orrery trace import {} {}", trace->report.format, base_name(file));
  if (auto ok = write_trace(out, *trace, {made}); !ok) return report_error(ok.error());
  return print(report_text(trace->report) + fmt::format("wrote {}\n", out)) ? kOk : kRunFailed;
}

// Edges of parents that are not there do not count: a slice has left them out, or a name is misspelt.
std::string lost_text(const Trace& trace) {
  const LostParents lost = lost_parents(trace);
  if (lost.cells == 0) return {};
  constexpr std::size_t kShown = 10;
  std::string names;
  for (std::size_t i = 0; i < std::min(lost.parents.size(), kShown); ++i)
    names += fmt::format("{}`{}`", i > 0 ? ", " : "", lost.parents[i]);
  if (lost.parents.size() > kShown) names += fmt::format(" and {} more", lost.parents.size() - kShown);
  return fmt::format("  {} left out, of parents that are not in the trace: {}\n",
                     lost.cells == 1 ? "1 edge or gain is" : fmt::format("{} edges and gains are", lost.cells),
                     names);
}

int check_trace(const std::vector<std::string>& arguments) {
  Args args("orrery trace check FILE", {"file"});
  add_read_options(args);
  if (const auto done = read_arguments(args, arguments)) return *done;
  if (!args.has("file")) return usage_error("`trace check` wants a file");
  auto trace = read_trace(args.get<std::string>("file"), read_options(args));
  if (!trace) return report_error(trace.error());
  // Edges are only resolved when a workload is made of the trace.
  if (auto w = edges_of(*trace, args.get<std::string>("file")); !w) return report_error(w.error());
  std::string said = report_text(trace->report);
  if (const std::int64_t untimed = trace_stats(*trace).untimed_jobs; untimed > 0)
    said += fmt::format("  {} of {} jobs have no run time: it follows from profiles (`performance` in a scenario)\n",
                        untimed, trace->jobs.size());
  return print(said + lost_text(*trace) + "ok\n") ? kOk : kRunFailed;
}

int show_stats(const std::vector<std::string>& arguments) {
  Args args("orrery trace stats FILE [--gpus 64x8]", {"file"});
  args.options()("format", taking<std::string>(), "auto (default), canonical, philly, ...")(
      "gpus", taking<std::string>(), "cluster size, 512 or 64x8: adds the offered load");
  if (const auto done = read_arguments(args, arguments)) return *done;
  if (!args.has("file")) return usage_error("`trace stats` wants a file");
  const std::int64_t gpus = args.has("gpus") ? parse_gpus(args.get<std::string>("gpus")) : 0;
  if (args.has("gpus") && gpus == 0) return usage_error("--gpus wants a number of GPUs", "such as 512 or 64x8");
  auto trace = read_trace(args.get<std::string>("file"), read_options(args));
  if (!trace) return report_error(trace.error());
  std::string text = stats_text(*trace, gpus);
  const auto has_edges = [](const TraceJob& j) { return !j.after.empty(); };
  if (std::any_of(trace->jobs.begin(), trace->jobs.end(), has_edges)) {
    auto workload = edges_of(*trace, args.get<std::string>("file"));
    if (!workload) return report_error(workload.error());
    text += lineage_text(lineage_stats(*workload), trace_stats(*trace).untimed_jobs == 0);
  }
  return print(text) ? kOk : kRunFailed;
}

}  // namespace

std::string stats_text(const Trace& trace, std::int64_t gpus) {
  const TraceStats s = trace_stats(trace);
  std::string out =
      fmt::format("jobs           {}{}\n", s.jobs,
                  s.cpu_only_jobs > 0 ? fmt::format(" ({} without GPU)", s.cpu_only_jobs) : std::string());
  if (s.tenants > 0) out += fmt::format("tenants        {}\n", s.tenants);
  out +=
      fmt::format("span           {} ({:.0f} s, first to last submit)\n", report::human_duration(s.span_s), s.span_s);
  out += times_text(s, trace, gpus) + sizes_text(s);
  if (s.arrival_cv > 0) out += fmt::format("gaps           CV {:.2f} (1 = Poisson)\n", s.arrival_cv);
  out += fmt::format("estimates      {}\n", trace.has_estimates ? "yes (estimate_s)" : "none");
  return out + hours_text(s);
}

int trace_verb(const std::vector<std::string>& arguments) {
  static const std::vector<Verb> table{
      {"import", "a foreign trace into the canonical format; says what it kept and dropped", import_trace},
      {"check", "reads a trace and reports every error with file:line:column", check_trace},
      {"stats", "jobs, run times, GPUs, load, arrivals and lineage of a trace", show_stats},
      {"gen", "generates a trace: poisson, gavel, philly, acme, lineage", generate_trace},
      {"export", "a trace for other simulators: swf, batsim; says what is lost", export_trace},
      {"scale", "arrivals to a load or by a factor, GPUs by a factor", scale_trace},
      {"slice", "some jobs of a trace, by number or by time", slice_action},
      {"merge", "several traces as one", merge_action},
  };
  return run_action("trace", table, arguments);
}

}  // namespace orrery::app
