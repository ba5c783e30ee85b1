// Standard Workload Format 2.2 (Feitelson's Parallel Workloads Archive): `;` comments, one job a line, 18 numbers
// apart by blanks, -1 for what is not known, times in seconds since the log's start. Processors stand for GPUs. Users
// claim run times of their own, some of them too short; those jobs are kept as they are. Some tools write 21 fields.
#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "sim/core/quantity.hpp"
#include "traces/format/formats.hpp"

namespace orrery {
namespace {

constexpr std::size_t kFields = 18, kWideFields = 21;
constexpr std::int64_t kAny = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t kMaxId = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t kMaxProcessors = 1'000'000;

// Columns by their place in the standard, counted from 0.
enum SwfColumn : int {
  kJobNumber,
  kSubmit,
  kWait,
  kRunTime,
  kAllocated,
  kCpuTime,
  kUsedMemory,
  kRequested,
  kRequestedTime,
  kRequestedMemory,
  kStatus,
  kUser,
  kGroup,
  kExecutable,
  kQueue,
  kPartition,
  kPrecedingJob,
  kThinkTime
};

BareTable swf_table() {
  return {{"job_number", "submit_time", "wait_time", "run_time", "allocated_processors", "cpu_time", "used_memory",
           "requested_processors", "requested_time", "requested_memory", "status", "user", "group", "executable",
           "queue", "partition", "preceding_job", "think_time"},
          ';',
          kWideFields};
}

// The first line that is not blank.
std::string_view header_line(std::string_view text) {
  const std::size_t from = std::min(text.find_first_not_of(" \t\r\n"), text.size());
  text.remove_prefix(from);
  return text.substr(0, text.find('\n'));
}

// Why a row is no job to simulate; empty when it is one.
std::string_view reason_to_drop(std::int64_t run_ns, std::int64_t processors, std::int64_t status) {
  // Jobs that were interrupted have a line for each part, and one with status 0 or 1 for the whole.
  if (status >= 2 && status <= 4) return "a part of a job that has a line for the whole (status 2 to 4)";
  if (run_ns <= 0) return "run time is 0 or unknown";
  return processors <= 0 ? "asks for no processors" : "";
}

}  // namespace

bool recognises_swf(std::string_view text) {
  std::string_view line = header_line(text);
  if (!line.empty() && line.front() == ';') return true;
  std::size_t fields = 0;  // the first 18 are numbers, whatever some tools write after them
  while (!line.empty()) {
    const std::size_t end = std::min(line.find_first_of(" \t\r"), line.size());
    if (end > 0 && fields < kFields && !parse_fixed(line.substr(0, end), 0)) return false;
    fields += end > 0 ? 1 : 0;
    line.remove_prefix(std::min(end + 1, line.size()));
  }
  return fields == kFields || fields == kWideFields;
}

Expected<void> read_swf(const TraceText& source, Trace& trace) {
  TableReader rows(source.file, source.text, swf_table());
  if (source.skip_bad_rows) rows.skip_bad_rows();
  bool follows = false;
  while (rows.next()) {
    TraceJob j;
    j.line = rows.line();
    j.job_id = fmt::format("{}", rows.integer(kJobNumber, 0, 0, kMaxId));
    j.submit = Time{rows.fixed(kSubmit, 9, 0, 0)};
    j.duration = Duration{rows.fixed(kRunTime, 9, 0, kAny)};
    if (j.submit.ns > kMaxTraceNs) rows.complain(kSubmit, "is more than 73 years");
    if (j.duration.ns > kMaxTraceNs) rows.complain(kRunTime, "is more than 73 years");
    std::int64_t processors = rows.integer(kRequested, -1, -1, kMaxProcessors);
    if (processors <= 0) processors = rows.integer(kAllocated, -1, -1, kMaxProcessors);
    if (const std::int64_t claimed = rows.fixed(kRequestedTime, 9, -1, kAny); claimed > 0)
      j.estimate = Duration{std::min(claimed, kMaxTraceNs)};
    if (const std::int64_t user = rows.integer(kUser, -1, kAny, kMaxId); user >= 0)
      j.tenant = fmt::format("u{}", user);
    const std::int64_t status = rows.integer(kStatus, -1, kAny, kMaxId);
    follows = follows || rows.integer(kPrecedingJob, -1, kAny, kMaxId) > 0;
    if (!rows.row_ok()) continue;
    if (const auto reason = reason_to_drop(j.duration.ns, processors, status); !reason.empty()) {
      ++trace.report.dropped[std::string(reason)];
      continue;
    }
    j.gpus = static_cast<std::int32_t>(processors);
    trace.has_estimates = trace.has_estimates || j.estimate.has_value();
    trace.jobs.push_back(std::move(j));
  }
  trace.report.notes.emplace_back("processors are taken as GPUs: the requested ones, else the allocated ones");
  if (follows) trace.report.notes.emplace_back("preceding jobs and think times (fields 17 and 18) are ignored");
  if (rows.wide_rows() > 0)
    trace.report.notes.push_back(fmt::format("{} rows have {} fields; those after field {} are read past",
                                             rows.wide_rows(), kWideFields, kFields));
  return finish_rows(rows, trace);
}

}  // namespace orrery
