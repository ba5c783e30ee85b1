// Pod lists of alibaba/clusterdata gpu-v2023 ("openb", FGD, ATC'23): seconds; shares of one GPU in thousandths,
// CPU-only pods, and GPU types as alternatives (A|B). A pod runs from when it was scheduled until it was deleted; one
// that never was is taken to want as long as it waited. At least a second, which is as fine as the clock is.
// A pod without an end was there still when the list was made: how long it runs is not known, so it is dropped and
// counted.
#include <algorithm>

#include "traces/format/formats.hpp"

namespace orrery {

void read_openb(TableReader& rows, Trace& trace) {
  constexpr std::int64_t kMebibyte = 1024 * 1024;
  const int name = rows.column("name"), cpu = rows.column("cpu_milli"), memory = rows.column("memory_mib"),
            gpus = rows.column("num_gpu"), milli = rows.column("gpu_milli"), spec = rows.column("gpu_spec"),
            qos = rows.column("qos"), created = rows.column("creation_time"), deleted = rows.column("deletion_time"),
            scheduled = rows.column("scheduled_time");
  std::int64_t never_ran = 0;
  while (rows.next()) {
    TraceJob j;
    j.line = rows.line();
    j.job_id = rows.given(name);
    j.tenant = rows.text(qos);
    j.submit = Time{rows.fixed(created, 9, 0, 0)};
    j.gpus = static_cast<std::int32_t>(rows.integer(gpus, 0, 0, 1'000'000));
    j.cpu_milli = rows.integer(cpu, 0, 0, 1'000'000'000);
    j.mem_bytes = rows.integer(memory, 0, 0, 1'000'000'000) * kMebibyte;
    const std::int64_t share = rows.integer(milli, kMilliPerGpu, 0, kMilliPerGpu);
    if (j.gpus == 1 && share > 0 && share < kMilliPerGpu) j.gpu_milli = static_cast<std::int32_t>(share);
    if (j.gpus > 0) j.gpu_type = rows.text(spec);
    const auto scheduled_at = rows.maybe_fixed(scheduled, 9, 0), end = rows.maybe_fixed(deleted, 9, 0);
    const bool waits = !scheduled_at;
    const std::int64_t begin = scheduled_at.value_or(j.submit.ns);
    j.duration = Duration{std::max(end.value_or(0) - begin, kNsPerSecond)};
    if (!rows.row_ok()) continue;
    if (j.gpus == 0 && j.cpu_milli == 0) {
      ++trace.report.dropped["asks for neither GPU nor CPU"];
    } else if (!end) {
      ++trace.report.dropped["has no end"];
    } else if (*end < begin) {
      ++trace.report.dropped["ends before it begins"];
    } else {
      never_ran += waits ? 1 : 0;
      trace.jobs.push_back(std::move(j));
    }
  }
  if (never_ran > 0)
    trace.report.notes.push_back(std::to_string(never_ran) +
                                 " pods were never scheduled; run time = time they waited");
}

}  // namespace orrery
