// `orrery trace export|scale|slice|merge`: files made of traces.
#include <fmt/format.h>

#include <algorithm>

#include "scenarios/app/cli.hpp"
#include "scenarios/app/trace_args.hpp"
#include "sim/core/joined.hpp"
#include "sim/core/quantity.hpp"
#include "traces/edit/edit.hpp"
#include "traces/edit/stats.hpp"
#include "traces/exporters/exporters.hpp"
#include "traces/format/formats.hpp"
#include "traces/format/text_file.hpp"

namespace orrery::app {
namespace {

// Options of every action here that writes a canonical trace.
void add_output(Args& args) {
  add_read_options(args);
  args.options()("output,o", taking<std::string>(), "canonical trace to write (.gz and .zst packed)");
}

// Writes a canonical trace; what it says on stdout starts with `said`.
int write_canonical(const Trace& trace, const std::string& path, const std::string& command, std::string said) {
  if (trace.jobs.empty()) return usage_error("no job of the trace is left", "`orrery trace stats` shows its span");
  if (auto ok = write_trace(path, trace, {"made by: " + command}); !ok) return report_error(ok.error());
  said += fmt::format("wrote {} jobs to {}\n", trace.jobs.size(), path);
  return print(said) ? kOk : kRunFailed;
}

// "2x", "2" or "0.5" in 10^-9; 0 when it is no number > 0.
std::int64_t parse_factor(std::string text) {
  if (!text.empty() && text.back() == 'x') text.pop_back();
  const auto v = parse_fixed(text, 9);
  return v ? std::max<std::int64_t>(0, *v) : 0;
}

Expected<void> scale(Trace& trace, const Args& args, double load, std::int64_t gpus) {
  if (args.has("gpus-factor") && !scale_gpus(trace, parse_factor(args.text("gpus-factor"))))
    return fail("a job would ask for more than 1000000 GPUs");
  if (args.has("time") && !scale_submits(trace, parse_factor(args.text("time"))))
    return fail("the trace would last more than 73 years");
  return args.has("load") ? scale_to_load(trace, load, gpus) : Expected<void>{};
}

// A file's name without folders and endings: "runs/a.csv.gz" is "a".
std::string stem_of(const std::string& path) {
  std::string name = base_name(path);
  for (const std::string_view packed : {".gz", ".zst"})
    if (name.size() > packed.size() && name.substr(name.size() - packed.size()) == packed)
      name.resize(name.size() - packed.size());
  const std::size_t dot = name.find_last_of('.');
  return dot == std::string::npos || dot == 0 ? name : name.substr(0, dot);
}

}  // namespace

int export_trace(const std::vector<std::string>& arguments) {
  std::string formats;
  std::vector<std::string_view> names;
  for (const TraceExporter& e : trace_exporters()) {
    formats += fmt::format("  {:<15} {}\n", e.name, e.about);
    names.push_back(e.name);
  }
  Args args("orrery trace export FORMAT FILE -o OUT[.gz|.zst]   (FORMAT: one below)", {"to", "file"});
  add_read_options(args);
  args.options()("gpus", taking<std::string>(), "size of the cluster, 512 or 64x8, for the file's header")(
      "output,o", taking<std::string>(), "file to write");
  if (auto ok = args.parse(arguments); !ok) return report_error(ok.error());
  if (args.wants_help()) return print(args.help() + "\nformats:\n" + formats) ? kOk : kRunFailed;
  if (!args.has("file") || !args.has("output"))
    return usage_error("`trace export` wants a format, a file and -o OUT", "orrery trace export swf a.csv -o a.swf");
  const std::string to = args.text("to");
  const auto& table = trace_exporters();
  const auto exporter =
      std::find_if(table.begin(), table.end(), [&to](const TraceExporter& e) { return e.name == to; });
  if (exporter == table.end()) {
    const auto near = closest(to, names);
    return usage_error(
        fmt::format("traces are not exported to `{}`", to),
        near.empty() ? fmt::format("formats: {}", joined(names, ", ")) : fmt::format("did you mean `{}`?", near));
  }
  ExportOptions options;
  options.cluster_gpus = args.has("gpus") ? parse_gpus(args.text("gpus")) : 0;
  if (args.has("gpus") && options.cluster_gpus == 0)
    return usage_error("--gpus wants a number of GPUs", "such as 512 or 64x8");
  options.made_by = trace_command("export", arguments);
  if (auto ok = spare_inputs(args.text("output"), {args.text("file")}); !ok) return report_error(ok.error());
  const auto trace = read_trace(args.text("file"), read_options(args));
  if (!trace) return report_error(trace.error());
  const ExportedTrace made = exporter->write(*trace, options);
  if (made.jobs == 0)
    return usage_error("no job of the trace has both a GPU and a run time",
                       "run times of some formats follow from profiles: `trace check` says so");
  if (auto ok = write_text_file(args.text("output"), made.text); !ok) return report_error(ok.error());
  std::string said = report_text(trace->report);
  for (const std::string& note : made.notes) said += fmt::format("  {}\n", note);
  said += fmt::format("wrote {} jobs to {} ({})\n", made.jobs, args.text("output"), exporter->name);
  return print(said) ? kOk : kRunFailed;
}

int scale_trace(const std::vector<std::string>& arguments) {
  Args args("orrery trace scale FILE -o OUT [--load 0.9 --gpus 64x8 | --time 0.5] [--gpus-factor 2x]", {"file"});
  add_output(args);
  args.options()("load", taking<std::string>(), "sum(GPUs x run time) / (GPUs x span of submits), by submit times")(
      "gpus", taking<std::string>(), "size of the cluster for --load, 512 or 64x8")(
      "time", taking<std::string>(), "multiplies submit times; deadlines stay as far from them")(
      "gpus-factor", taking<std::string>(), "multiplies the GPUs of jobs, before --load; fractions stay");
  if (const auto done = read_arguments(args, arguments)) return *done;
  if (!args.has("file") || !args.has("output"))
    return usage_error("`trace scale` wants a file and -o OUT", "orrery trace scale a.csv -o b.csv --time 0.5");
  if (args.has("load") && args.has("time")) return usage_error("give either --load or --time, not both");
  if (!args.has("load") && !args.has("time") && !args.has("gpus-factor"))
    return usage_error("`trace scale` wants what to scale", "--load 0.9 --gpus 64x8, --time 0.5 or --gpus-factor 2x");
  for (const std::string name : {"load", "time", "gpus-factor"})
    if (args.has(name) && parse_factor(args.text(name)) == 0)
      return usage_error(fmt::format("--{} is `{}`; it must be a number > 0", name, args.text(name)));
  const std::int64_t gpus = args.has("gpus") ? parse_gpus(args.text("gpus")) : 0;
  if ((args.has("load") || args.has("gpus")) && gpus == 0)
    return usage_error("--load needs the cluster's size", "--gpus 64x8 or --gpus 512");
  if (auto ok = spare_inputs(args.text("output"), {args.text("file")}); !ok) return report_error(ok.error());
  auto trace = read_trace(args.text("file"), read_options(args));
  if (!trace) return report_error(trace.error());
  const double load = args.has("load") ? static_cast<double>(parse_factor(args.text("load"))) / 1e9 : 0;
  if (auto ok = scale(*trace, args, load, gpus); !ok) return report_error(ok.error());
  std::string said = report_text(trace->report);
  if (gpus > 0) said += fmt::format("load {}\n", load_text(*trace, gpus));
  return write_canonical(*trace, args.text("output"), trace_command("scale", arguments), std::move(said));
}

int slice_action(const std::vector<std::string>& arguments) {
  Args args("orrery trace slice FILE -o OUT [--from 2d] [--to 9d] [--skip N] [--jobs N]", {"file"});
  add_output(args);
  args.options()("from", taking<std::string>(), "jobs submitted at this time or later, which becomes time 0")(
      "to", taking<std::string>(), "jobs submitted before this time")(
      "skip", taking<std::int64_t>(), "leaves out the first N (of these); the next one is submitted at 0")(
      "jobs", taking<std::int64_t>(), "at most N jobs");
  args.within("skip", 0, 1'000'000'000);
  args.within("jobs", 1, 1'000'000'000);
  if (const auto done = read_arguments(args, arguments)) return *done;
  if (!args.has("file") || !args.has("output"))
    return usage_error("`trace slice` wants a file and -o OUT",
                       "orrery trace slice a.csv -o b.csv --from 2d --to 9d");
  Time window[2] = {Time{}, kNever};
  const char* const ends[2] = {"from", "to"};
  for (int i = 0; i < 2; ++i) {
    if (!args.has(ends[i])) continue;
    const auto d = parse_duration(args.text(ends[i]));
    if (!d)
      return usage_error(fmt::format("--{} is `{}`; it {}", ends[i], args.text(ends[i]), d.error().message),
                         d.error().hint);
    window[i] = Time{} + *d;
  }
  if (window[0] >= window[1]) return usage_error("--from must be before --to");
  const std::int64_t skip = args.has("skip") ? args.get<std::int64_t>("skip") : 0;
  const std::int64_t jobs = args.has("jobs") ? args.get<std::int64_t>("jobs") : -1;
  if (!args.has("from") && !args.has("to") && !args.has("skip") && !args.has("jobs"))
    return usage_error("`trace slice` wants to know what to keep", "--from 2d --to 9d, or --skip 100 --jobs 50");
  if (auto ok = spare_inputs(args.text("output"), {args.text("file")}); !ok) return report_error(ok.error());
  auto trace = read_trace(args.text("file"), read_options(args));
  if (!trace) return report_error(trace.error());
  slice_by_submit(*trace, window[0], window[1]);
  slice_trace(*trace, skip, jobs);
  return write_canonical(*trace, args.text("output"), trace_command("slice", arguments), report_text(trace->report));
}

int merge_action(const std::vector<std::string>& arguments) {
  Args args("orrery trace merge FILE FILE... -o OUT", {"file..."});
  add_output(args);
  if (auto ok = args.parse(arguments); !ok) return report_error(ok.error());
  if (args.wants_help())
    return print(args.help() +
                 "\nAll jobs of all files by submit time; every file counts from its own zero. Files that share a "
                 "job_id"
                 "\nget `NAME/` before all their ids.\n")
               ? kOk
               : kRunFailed;
  const std::vector<std::string> files = args.list("file");
  if (files.size() < 2 || !args.has("output"))
    return usage_error("`trace merge` wants two files or more and -o OUT", "orrery trace merge a.csv b.csv -o c.csv");
  if (auto ok = spare_inputs(args.text("output"), files); !ok) return report_error(ok.error());
  std::vector<MergeInput> inputs;
  std::string said;
  for (const std::string& file : files) {
    auto trace = read_trace(file, read_options(args));
    if (!trace) return report_error(trace.error());
    said += fmt::format("{}: {}", base_name(file), report_text(trace->report));
    inputs.push_back({stem_of(file), std::move(*trace)});
  }
  const auto merged = merge_traces(std::move(inputs));
  if (!merged) return report_error(merged.error());
  for (std::size_t i = 0; i < files.size(); ++i)
    if (!merged->prefixes[i].empty())
      said += fmt::format("  ids of {} get the prefix `{}`: another file has some of them\n", base_name(files[i]),
                          merged->prefixes[i]);
  return write_canonical(merged->trace, args.text("output"), trace_command("merge", arguments), std::move(said));
}

}  // namespace orrery::app
