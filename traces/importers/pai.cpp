// pai_task_table of alibaba/clusterdata gpu-v2020 (PAI, NSDI'22): one row per task of a job, seconds, as published
// (without a header, whole numbers written as decimals, cells left empty) or with its columns' names as a header.
// `plan_gpu` is per cent of a GPU and `plan_cpu` per cent of a core, per instance; GB of memory. A task is read as a
// job of inst_num instances; several instances with a share of a GPU each hold whole ones together. A task without a
// plan for GPUs asks for none; one without a start or an end never ran, or ran still, and is dropped.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "sim/core/quantity.hpp"
#include "traces/format/formats.hpp"

namespace orrery {
namespace {

// The columns of pai_task_table.header.
BareTable task_table() {
  BareTable t;
  t.columns = {"job_name", "task_name", "inst_num", "status",   "start_time",
               "end_time", "plan_cpu",  "plan_mem", "plan_gpu", "gpu_type"};
  t.comment = '#';
  t.separator = ',';
  return t;
}

bool is_number_or_empty(std::string_view t) {
  return t.empty() || parse_fixed(t, 3).has_value();
}

void read_tasks(TableReader& rows, Trace& trace) {
  constexpr std::int64_t kGigabyte = 1'000'000'000;
  constexpr std::int64_t kMost = 1'000'000;
  const int job = rows.column("job_name"), task = rows.column("task_name"), instances = rows.column("inst_num"),
            start = rows.column("start_time"), end = rows.column("end_time"), gpu = rows.column("plan_gpu"),
            cpu = rows.column("plan_cpu"), memory = rows.column("plan_mem"), type = rows.column("gpu_type");
  while (rows.next()) {
    TraceJob j;
    j.line = rows.line();
    j.job_id = fmt::format("{}/{}", rows.given(job), rows.given(task));
    const auto begin = rows.maybe_fixed(start, 9, 0), stop = rows.maybe_fixed(end, 9, 0);
    const std::int64_t n = rows.integer(instances, 1, 1, kMost);
    const std::int64_t milli = std::min(rows.maybe_fixed(gpu, 1, 0).value_or(0), kMost) * n;  // per cent x 10
    j.gpus = static_cast<std::int32_t>(std::min((milli + kMilliPerGpu - 1) / kMilliPerGpu, kMost));
    if (milli > 0 && milli < kMilliPerGpu) j.gpu_milli = static_cast<std::int32_t>(milli);
    j.cpu_milli = std::min(rows.maybe_fixed(cpu, 1, 0).value_or(0), kMost) * n;
    j.mem_bytes = std::min(rows.maybe_fixed(memory, 3, 0).value_or(0), kMost) * n * (kGigabyte / 1000);
    if (rows.text(type) != "MISC") j.gpu_type = rows.text(type);  // MISC is what is not named
    if (!rows.row_ok()) continue;
    if (!begin || !stop || *stop < *begin) {
      ++trace.report.dropped[!begin ? "has no start" : !stop ? "has no end" : "ends before it starts"];
      continue;
    }
    j.submit = Time{*begin};
    j.duration = Duration{*stop - *begin};
    keep(rows, trace, std::move(j));
  }
  count_from_first(trace);
}

}  // namespace

bool recognises_bare_pai(std::string_view text) {
  text = text.substr(0, text.find_first_of("\r\n"));
  std::array<std::string_view, 10> fields;
  std::size_t count = 0;
  for (std::size_t at = 0; at <= text.size(); ++count) {
    const std::size_t comma = std::min(text.find(',', at), text.size());
    if (count < fields.size()) fields[count] = text.substr(at, comma - at);
    at = comma + 1;
  }
  // Any cell may be empty; what cannot be a number there is a header's.
  if (count != fields.size() || parse_fixed(fields[0], 3) || parse_fixed(fields[3], 3)) return false;
  int numbers = 0;
  for (const std::size_t i : {2U, 4U, 5U, 6U, 7U, 8U}) {
    if (!is_number_or_empty(fields[i])) return false;
    numbers += fields[i].empty() ? 0 : 1;
  }
  return numbers >= 2;
}

Expected<void> read_pai(const TraceText& source, Trace& trace) {
  const bool bare = recognises_bare_pai(source.text);
  if (bare) trace.report.notes.emplace_back("no header: the columns are those of pai_task_table.header");
  TableReader rows =
      bare ? TableReader(source.file, source.text, task_table()) : TableReader(source.file, source.text);
  return read_table(rows, {"job_name", "task_name", "inst_num", "start_time", "end_time", "plan_gpu"}, read_tasks,
                    source, trace);
}

}  // namespace orrery
