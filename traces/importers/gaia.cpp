// Samples of PAI jobs by GAIA (umassos/GAIA): arrival_time, length, cpus, and no GPU counts. As of every format that
// counts processors only (SWF, Batsim), these are read as GPUs, unless a column counts GPUs after all. pai_1k.csv is
// in seconds, pai-100k.csv in hours; which of them a file is, only its numbers say: those in seconds are whole.
#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "traces/format/formats.hpp"

namespace orrery {

void read_gaia(TableReader& rows, Trace& trace) {
  constexpr std::int64_t kSecondsPerHour = 3600;
  constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max() / kSecondsPerHour;
  const int arrival = rows.column("arrival_time"), length = rows.column("length"), cpus = rows.column("cpus");
  const int id = rows.column("job_id");
  int gpus = TableReader::kAbsent;
  for (const char* name : {"gpus", "num_gpus", "gpu"})
    if (gpus == TableReader::kAbsent) gpus = rows.column(name);
  std::vector<TraceJob> jobs;
  bool whole = true;
  while (rows.next()) {
    TraceJob j;
    j.line = rows.line();
    j.job_id = id == TableReader::kAbsent ? fmt::format("r{}", rows.rows()) : std::string(rows.text(id));
    j.submit = Time{rows.fixed(arrival, 9, 0, 0)};
    j.duration = Duration{rows.fixed(length, 9, 0, 0)};
    const std::int64_t processors = rows.integer(cpus, 1, 0, 1'000'000);
    if (gpus == TableReader::kAbsent) {
      j.gpus = static_cast<std::int32_t>(processors);
    } else {
      j.gpus = static_cast<std::int32_t>(rows.integer(gpus, 0, 0, 1'000'000));
      j.cpu_milli = processors * 1000;
    }
    whole = whole && j.submit.ns % kNsPerSecond == 0 && j.duration.ns % kNsPerSecond == 0;
    if (rows.row_ok()) jobs.push_back(std::move(j));
  }
  if (gpus == TableReader::kAbsent)
    trace.report.notes.emplace_back("no GPU counts: processors (`cpus`) are taken as GPUs");
  trace.report.notes.emplace_back(whole ? "times are taken as seconds: they are whole"
                                        : "times have fractions, so they are hours");
  for (TraceJob& j : jobs) {
    if (!whole) {
      j.submit.ns = std::min(j.submit.ns, kMost) * kSecondsPerHour;
      j.duration.ns = std::min(j.duration.ns, kMost) * kSecondsPerHour;
    }
    keep(trace, std::move(j));
  }
}

}  // namespace orrery
