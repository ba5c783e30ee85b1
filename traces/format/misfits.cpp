// What a text is that is no table of jobs: one sentence, instead of one for each column that it lacks.
#include <fmt/format.h>

#include <algorithm>

#include "sim/core/quantity.hpp"
#include "traces/format/formats.hpp"

namespace orrery {
namespace {

// Recordings that one could take for a job list, by columns that they have and all that they lack of one.
struct NoJobList {
  std::vector<std::string_view> columns;
  std::string_view what;
};
const std::vector<NoJobList>& no_job_lists() {
  static const std::vector<NoJobList> table{
      {{"name", "cpu_milli", "memory_mib", "num_gpu", "gpu_milli"},
       "pods of openb without times: the multi-GPU lists have only the first five columns, and nothing says when a "
       "pod comes and goes"},
      {{"sn", "cpu_milli", "memory_mib", "gpu", "model"},
       "the nodes of openb, not jobs: they are a cluster, as in scenarios/recorded/openb.yaml"},
      {{"SN", "location", "insert", "remove", "event"},
       "lives of GPUs, not jobs: a scenario takes them as `failures.capacity`"},
      {{"time", "submit_gpu_job", "start_gpu_job", "end_gpu_job"},
       "numbers of jobs per interval, not jobs (Helios' Venus)"},
      {{"time", "active", "total"}, "capacity over time, not jobs: a scenario takes it as `failures.capacity`"},
      {{"date", "total"}, "GPUs per day, not jobs (Helios): a scenario takes them as `failures.capacity`"},
      {{"id", "gpu_num", "job_num", "avg_run_time_gpu"}, "means over all jobs of a cluster, not jobs (Helios)"},
      {{"app_id", "submit_time", "service", "num_jobs", "model_name"},
       "Philly jobs of PCS, whose `service` is run time x speed-up of a model that was drawn; their run times are in "
       "philly_jobs_derived.csv"},
      {{"job_name", "inst_id", "status", "start_time", "end_time"},
       "jobs of PAI without their GPUs: those are in pai_task_table"},
      {{"instance_sn", "app_name", "gpu_request", "creation_time"},
       "instances that serve requests, not jobs that end (Alibaba, 2025)"},
      {{"TIMESTAMP", "ContextTokens", "GeneratedTokens"}, "requests to a served model, not jobs (Azure)"},
      {{"predict_type", "exec_time_seconds"}, "requests to served models, not jobs (Alibaba GenAI)"},
      {{"job_id", "num_gpu", "start_time", "end_time", "executed_time", "JCT"},
       "results of another simulator, not a workload: its input is a job list of its own"},
  };
  return table;
}

std::string_view without_blanks(std::string_view s) {
  while (!s.empty() && (s.front() == ' ' || s.front() == '\t')) s.remove_prefix(1);
  while (!s.empty() && (s.back() == ' ' || s.back() == '\t' || s.back() == '\r')) s.remove_suffix(1);
  return s;
}

// The first line that is neither blank nor a comment, which should name the columns, and its number.
std::string_view header_line(std::string_view text, int& number) {
  number = 0;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    ++number;
    if (const std::string_view t = without_blanks(line); !t.empty() && t.front() != '#') return line;
  }
  return {};
}

// The first field of a line that is a number, as names of columns are not; empty where there is none.
std::string_view number_in(std::string_view line, std::string_view separators) {
  while (!line.empty()) {
    const std::string_view field = line.substr(0, line.find_first_of(separators));
    line.remove_prefix(std::min(line.size(), field.size() + 1));
    if (const std::string_view t = without_blanks(field); parse_fixed(t, 0)) return t;
  }
  return {};
}

// What separates fields where it is no comma; 0 where there is nothing of the kind.
char other_separator(std::string_view line) {
  const auto commas = std::count(line.begin(), line.end(), ',');
  for (const char c : {';', '\t', '|'})
    if (std::count(line.begin(), line.end(), c) > commas) return c;
  return '\0';
}

}  // namespace

std::optional<Diagnostic> misfit(const TraceText& source) {
  Diagnostic d;
  int number = 0;
  const std::string_view line = header_line(source.text, number);
  const std::string_view t = without_blanks(line);
  d.where = {source.file, number, 1};
  d.line_text = std::string(t.substr(0, 200));
  if (t.empty()) return std::nullopt;
  if (t.front() == '{' && source.text.find("\"gap_seconds\"") != std::string_view::npos) {
    d.message = "this holds capacity over time, not jobs: a scenario takes it as `failures.capacity`";
    return d;
  }
  if (t.front() == '{' || t.front() == '[') {
    d.message = "this is JSON, but not of a format that is read: Batsim's workloads and Philly's cluster_job_log are";
    return d;
  }
  const char separator = other_separator(line);
  const std::string_view value = number_in(line, separator != '\0' ? std::string_view(&separator, 1) : ",");
  const std::string_view bare = separator == '\0' && t.find(',') == t.npos ? number_in(t, " \t") : value;
  if (!bare.empty()) {
    d.message = fmt::format("this has no header: `{}` is no name of a column", bare.substr(0, 60));
    d.notes.emplace_back("the first line names the columns, as in job_id,submit_s,gpus,duration_s");
    return d;
  }
  if (separator != '\0') {
    d.message = fmt::format("fields are apart by {}, but a trace is read with `,` between them",
                            separator == '\t' ? std::string("tabs") : fmt::format("`{}`", separator));
    return d;
  }
  const TableReader rows(source.file, source.text);
  if (rows.header().size() == 1) {
    d.message =
        fmt::format("this has one column, `{}`; a table of jobs has more, as in job_id,submit_s,gpus,duration_s",
                    rows.header().front().substr(0, 60));
    return d;
  }
  for (const NoJobList& n : no_job_lists()) {
    const bool all = std::all_of(n.columns.begin(), n.columns.end(),
                                 [&rows](std::string_view c) { return rows.column(c) != TableReader::kAbsent; });
    if (!all) continue;
    Diagnostic other{fmt::format("this holds {}", n.what)};
    other.where.file = source.file;
    return other;
  }
  return std::nullopt;
}

}  // namespace orrery
