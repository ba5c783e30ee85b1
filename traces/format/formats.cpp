// Reading a trace file of any format: the table of formats, telling them apart by their columns or first bytes, and
// the rules that hold for all of them (ids unique, order by submit).
#include "traces/format/formats.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <filesystem>

#include "sim/core/joined.hpp"
#include "traces/format/text_file.hpp"

namespace orrery {
namespace {

constexpr std::size_t kMostReserved = std::size_t{1} << 20;  // rows, before they are read

const TraceFormat* detect(const TraceText& source) {
  for (const TraceFormat& f : trace_formats())
    if (f.recognises != nullptr && f.recognises(source.text)) return &f;
  const TableReader rows(source.file, source.text);
  for (const TraceFormat& f : trace_formats()) {
    if (f.columns.empty()) continue;
    const bool all = std::all_of(f.columns.begin(), f.columns.end(),
                                 [&rows](std::string_view c) { return rows.column(c) != TableReader::kAbsent; });
    if (all) return &f;
  }
  // Not quite any format: the canonical reader says which of its columns are missing.
  return &trace_formats().front();
}

std::string without_blanks_around(const std::string& text) {
  const std::size_t first = text.find_first_not_of(" \t");
  return first == std::string::npos ? "" : text.substr(first, text.find_last_not_of(" \t") + 1 - first);
}

// What holds of every format: jobs have names, and times fit (formats with dates can span centuries).
Expected<void> check_jobs(Trace& trace, const std::string& file) {
  for (TraceJob& j : trace.jobs) {
    j.job_id = without_blanks_around(j.job_id);
    if (j.job_id.empty()) {
      Diagnostic d{"the job's id is empty"};
      d.where = {file, j.line, 1};
      return fail(std::move(d));
    }
    if (j.submit.ns <= kMaxTraceNs && j.duration.ns <= kMaxTraceNs) continue;
    Diagnostic d{fmt::format("job `{}` {} is more than 73 years", j.job_id,
                             j.submit.ns > kMaxTraceNs ? "is submitted at a time that, counted from the first job,"
                                                       : "has a run time that")};
    d.where = {file, j.line, 1};
    return fail(std::move(d));
  }
  return {};
}

// Line `n` (from 1) of a text, for messages.
std::string line_of_text(std::string_view text, int n) {
  for (; n > 1 && !text.empty(); --n) text.remove_prefix(std::min(text.find('\n'), text.size() - 1) + 1);
  text = text.substr(0, std::min({text.find('\n'), text.find('\r'), std::size_t{200}}));
  return std::string(text);
}

// A table of hashes and rows, without a node for each row: large traces would spend more on nodes than on reading.
Expected<void> check_unique_ids(const Trace& trace, const std::string& file, std::string_view text) {
  struct Seen {
    std::uint32_t hash = 0, row = 0;  // from 1; 0 = nobody
  };
  std::vector<Seen> seen(std::bit_ceil(2 * trace.jobs.size() + 1));
  std::vector<Diagnostic> errors;
  for (std::size_t i = 0; i < trace.jobs.size(); ++i) {
    const TraceJob& j = trace.jobs[i];
    const std::size_t hash = std::hash<std::string_view>()(j.job_id);
    const auto upper = static_cast<std::uint32_t>(hash >> 32);
    std::size_t at = hash & (seen.size() - 1);
    const auto is_it = [&](const Seen& s) { return s.hash == upper && trace.jobs[s.row - 1].job_id == j.job_id; };
    while (seen[at].row != 0 && !is_it(seen[at])) at = (at + 1) & (seen.size() - 1);
    if (seen[at].row == 0) {
      seen[at] = {upper, static_cast<std::uint32_t>(i + 1)};
      continue;
    }
    if (errors.size() == 20) break;
    const int first = trace.jobs[seen[at].row - 1].line;
    Diagnostic d{fmt::format("job_id `{}` appears twice, first in line {}", j.job_id, first)};
    d.where = {file, j.line, 1};
    d.line_text = line_of_text(text, j.line);
    errors.push_back(std::move(d));
  }
  if (errors.empty()) return {};
  return tl::make_unexpected(Error(std::move(errors)));
}

}  // namespace

void keep(const TableReader& rows, Trace& trace, TraceJob&& job) {
  if (rows.row_ok()) keep(trace, std::move(job));
}

void keep(Trace& trace, TraceJob&& job) {
  if (is_kept(trace, job.gpus, job.duration)) trace.jobs.push_back(std::move(job));
}

bool is_kept(Trace& trace, std::int32_t gpus, Duration duration) {
  const bool kept = gpus != 0 && duration.ns != 0;
  if (!kept) ++trace.report.dropped[gpus == 0 ? "asks for no GPU" : "duration is 0"];
  return kept;
}

Expected<void> read_table(TableReader& rows, const std::vector<std::string_view>& columns,
                          void (*read)(TableReader&, Trace&), const TraceText& source, Trace& trace) {
  if (source.skip_bad_rows) rows.skip_bad_rows();
  const auto missing = [&rows](std::string_view c) { return rows.column(c) == TableReader::kAbsent; };
  if (std::any_of(columns.begin(), columns.end(), missing))
    if (auto d = misfit(source)) return fail(*std::move(d));
  for (const std::string_view column : columns) (void)rows.required(column);
  trace.jobs.reserve(std::min(rows.lines_left(), kMostReserved));
  read(rows, trace);
  note_unread(rows, trace);
  return finish_rows(rows, trace);
}

void note_unread(const TableReader& rows, Trace& trace, const std::vector<std::string_view>& known) {
  constexpr std::size_t kMostNamed = 12;
  const std::vector<std::string_view> names = rows.unread();
  if (names.empty()) return;
  std::vector<std::string_view> free;
  for (const std::string_view name : known)
    if (std::find(rows.header().begin(), rows.header().end(), name) == rows.header().end()) free.push_back(name);
  std::vector<std::string> named, meant;
  for (std::size_t i = 0; i < std::min(names.size(), kMostNamed); ++i) {
    named.push_back(fmt::format("`{}`", names[i]));
    if (const std::string_view near = closest(names[i], free); !near.empty())
      meant.push_back(fmt::format("`{}`", near));
  }
  if (names.size() > kMostNamed) named.push_back(fmt::format("{} more", names.size() - kMostNamed));
  trace.report.notes.push_back(fmt::format(
      "column{} {} {} ignored{}", names.size() == 1 ? "" : "s", joined(named, ", "), names.size() == 1 ? "is" : "are",
      meant.empty() ? std::string() : fmt::format(" (did you mean {}?)", joined(meant, ", "))));
  for (const std::string_view name : names) (void)rows.column(name);  // named once
}

Expected<void> finish_rows(TableReader& rows, Trace& trace) {
  if (auto ok = rows.finish(); !ok) return tl::make_unexpected(std::move(ok.error()));
  for (const auto& [reason, count] : rows.skipped()) trace.report.dropped[reason] += count;
  trace.report.rows = rows.rows();
  return {};
}

void count_from_first(Trace& trace) {
  if (trace.jobs.empty()) return;
  const auto first = std::min_element(trace.jobs.begin(), trace.jobs.end(),
                                      [](const TraceJob& a, const TraceJob& b) { return a.submit < b.submit; });
  const Duration zero = first->submit - Time{};
  for (TraceJob& j : trace.jobs) {
    j.submit = j.submit - zero;
    if (j.deadline) j.deadline = Time{std::max<std::int64_t>(j.deadline->ns - zero.ns, 0)};
  }
}

const std::vector<TraceFormat>& trace_formats() {
  constexpr std::string_view kSeconds = "times are taken as seconds: nothing in the file says its unit";
  static const std::vector<TraceFormat> table{
      {"canonical",
       "Orrery's own: job_id, submit_s, gpus, duration_s and optional columns",
       {"job_id", "submit_s", "gpus", "duration_s"},
       read_canonical},
      {"muri",
       "job lists of Muri's simulator (SIGCOMM'22), times in milliseconds",
       {"job_id", "num_gpu", "submit_time", "iterations", "model_name", "duration", "iteration_time"},
       read_muri},
      {"chronus",
       "job lists of Chronus made of Philly's (SoCC'21), times in minutes",
       {"job_id", "user", "num_gpu", "submit_time", "iterations", "model_name", "duration", "expect_time_list",
        "job_type"},
       read_chronus,
       nullptr,
       nullptr,
       "times are taken as minutes, as in Chronus' Philly mixes; --format tiresias takes them as seconds"},
      {"tiresias",
       "job lists of Tiresias' simulator (NSDI'19), times in seconds",
       {"job_id", "num_gpu", "submit_time", "iterations", "model_name", "duration", "interval"},
       read_tiresias,
       nullptr,
       nullptr,
       kSeconds},
      {"philly",
       "philly.csv of the Pollux and Sia artefacts: Microsoft Philly, 2017",
       {"timestamp", "duration", "num_gpus", "gpu_time", "cluster"},
       read_philly},
      {"philly-derived",
       "philly_jobs_derived.csv: Philly jobs of ten virtual clusters, submit times in UTC",
       {"submit_utc_s", "vc", "duration_s", "num_gpus"},
       read_philly_derived},
      {"philly-log",
       "cluster_job_log of philly-traces as published, JSON: Microsoft Philly, 2017 (ATC'19)",
       {},
       nullptr,
       recognises_philly_log,
       read_philly_log},
      {"msft-itp",
       "clusterNN.csv of ElasticFlow's traces: Microsoft ITP, 2021",
       {"job_id", "submission_time", "duration", "num_gpu"},
       read_msft_itp,
       nullptr,
       nullptr,
       kSeconds},
      {"orrery",
       "a run folder of Orrery, or its jobs.csv: what ran becomes a workload",
       {"job_id", "submit_s", "gpus", "run_s", "state"},
       read_orrery},
      {"pollux",
       "workloads of Pollux (OSDI'21) and Sia (SOSP'23); run times follow from profiles",
       {"name", "time", "application", "num_replicas", "batch_size"},
       read_pollux,
       nullptr,
       nullptr,
       kSeconds},
      {"titan",
       "fine-tuning workloads of TitanSched (SoCC'22); run times follow from profiles",
       {"name", "submission_time", "application", "num_gpus", "target_batch_size"},
       read_titan,
       nullptr,
       nullptr,
       kSeconds},
      {"rubick",
       "workloads of Rubick, with run times under the execution plan of each job",
       {"name", "submission_time", "duration", "application", "num_gpus", "num_cpus", "steps"},
       read_rubick,
       nullptr,
       nullptr,
       kSeconds},
      {"elasticflow",
       "job lists with deadlines of ElasticFlow's simulator (ASPLOS'23)",
       {"job_id", "submit_time", "iteration", "model_name", "ddl", "num_gpu", "duration"},
       read_elasticflow,
       nullptr,
       nullptr,
       kSeconds},
      {"openb",
       "pod lists of Alibaba's GPU cluster, 2023 (FGD, ATC'23): shares of GPUs, CPU-only pods, GPU types",
       {"name", "cpu_milli", "memory_mib", "num_gpu", "gpu_milli", "creation_time", "deletion_time"},
       read_openb},
      {"kalos",
       "kalos_completed_derived.csv: LLM development on the Acme cluster Kalos, 2023",
       {"arrival_s", "duration_s", "node_num", "gpu_num"},
       read_kalos},
      {"kalos-converted",
       "converted_kalos_trace.csv: the same jobs in another simulator's columns",
       {"job_id", "arrival_time", "num_iteration", "gpu_workers", "gpu_per_worker", "cpu_per_gpu_worker",
        "profiled_network"},
       read_kalos_converted,
       nullptr,
       nullptr,
       kSeconds},
      {"acme",
       "trace_seren.csv and trace_kalos.csv of AcmeTrace as published: LLM development, 2023 (NSDI'24)",
       {"job_id", "user", "node_num", "gpu_num", "cpu_num", "type", "submit_time", "start_time", "end_time"},
       read_acme},
      {"helios",
       "cluster_log.csv of HeliosData: SenseTime, 2020 (SC'21)",
       {"job_id", "vc", "gpu_num", "cpu_num", "submit_time", "duration"},
       read_helios},
      {"pai",
       "pai_task_table of Alibaba PAI, 2020 (NSDI'22), as published or with a header",
       {"job_name", "task_name", "inst_num", "start_time", "end_time", "plan_gpu"},
       nullptr,
       recognises_bare_pai,
       read_pai},
      {"gaia",
       "samples of PAI jobs by GAIA: processors are read as GPUs; in seconds, or hours with fractions",
       {"arrival_time", "length", "cpus"},
       read_gaia},
      {"sacct",
       "what Slurm's `sacct -P` prints, with AllocTRES or ReqTRES",
       {},
       nullptr,
       recognises_sacct,
       read_sacct},
      {"gavel",
       "job lists of Gavel (OSDI'20) and Shockwave (NSDI'23)",
       {},
       nullptr,
       recognises_gavel,
       read_gavel,
       kSeconds},
      {"swf",
       "Standard Workload Format 2.2 of the Parallel Workloads Archive; processors are read as GPUs",
       {},
       nullptr,
       recognises_swf,
       read_swf},
      {"batsim",
       "JSON workloads of Batsim, jobs with `delay` profiles; resources are read as GPUs",
       {},
       nullptr,
       recognises_batsim,
       read_batsim},
  };
  return table;
}

namespace {

// The jobs' table of a run folder; nothing when `path` is none.
std::optional<std::string> table_of_run(const std::string& path) {
  std::error_code ignored;
  for (const char* name : {"/jobs.csv", "/jobs.csv.zst"})
    if (std::filesystem::is_regular_file(path + name, ignored)) return path + name;
  return std::nullopt;
}

// The format asked for; null for `auto`.
Expected<const TraceFormat*> chosen_format(const ReadOptions& options) {
  const TraceFormat* format = nullptr;
  std::vector<std::string_view> names{"auto"};
  for (const TraceFormat& f : trace_formats()) {
    names.push_back(f.name);
    if (f.name == options.format) format = &f;
  }
  if (format == nullptr && options.format != "auto") {
    Diagnostic d{fmt::format("unknown trace format `{}`", options.format)};
    if (const auto near = closest(options.format, names); !near.empty())
      d.hint = fmt::format("did you mean `{}`?", near);
    d.notes.push_back(fmt::format("formats: {}", joined(names, ", ")));
    return fail(std::move(d));
  }
  return format;
}

}  // namespace

Expected<Trace> read_trace_text(const std::string& file, std::string_view text, const ReadOptions& options) {
  const auto chosen = chosen_format(options);
  if (!chosen) return tl::make_unexpected(chosen.error());
  const TraceText source{file, text, options.skip_bad_rows};
  const TraceFormat* format = *chosen != nullptr ? *chosen : detect(source);
  Trace trace;
  trace.report.format = format->name;
  if (*chosen == nullptr && !format->assumed.empty()) trace.report.notes.emplace_back(format->assumed);
  const auto read_columns = [&]() -> Expected<void> {
    TableReader rows(file, text);
    return read_table(rows, format->columns, format->read, source, trace);
  };
  auto read = format->read_text != nullptr ? format->read_text(source, trace) : read_columns();
  if (!read) return tl::make_unexpected(std::move(read.error()));
  if (trace.jobs.empty()) {
    Diagnostic d{trace.report.rows > 0     ? "no row of the trace was kept"
                 : format->columns.empty() ? "the trace has no jobs"
                                           : "the trace has a header but no jobs"};
    d.where.file = file;
    for (const auto& [reason, count] : trace.report.dropped)
      d.notes.push_back(fmt::format("dropped {}: {}", count, reason));
    return fail(std::move(d));
  }
  if (auto ok = check_jobs(trace, file); !ok) return tl::make_unexpected(std::move(ok.error()));
  if (auto ok = check_unique_ids(trace, file, text); !ok) return tl::make_unexpected(std::move(ok.error()));
  sort_rows(trace.jobs, [](const TraceJob& j) { return j.submit; });
  if (std::any_of(trace.jobs.begin(), trace.jobs.end(), [](const TraceJob& j) { return j.weight != 1.0; }))
    trace.report.notes.emplace_back("weights are kept, but only the policy `lineage` reads them");
  trace.report.kept = static_cast<std::int64_t>(trace.jobs.size());
  return trace;
}

Expected<Trace> read_trace(const std::string& path, const ReadOptions& options) {
  if (const auto chosen = chosen_format(options); !chosen) return tl::make_unexpected(chosen.error());
  const std::string file = table_of_run(path).value_or(path);
  const auto text = read_text_file(file);
  if (!text) return tl::make_unexpected(text.error());
  return read_trace_text(file, *text, options);
}

}  // namespace orrery
