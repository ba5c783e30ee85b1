// pai_task_table of alibaba/clusterdata gpu-v2020 (PAI, NSDI'22), with its columns' names as a header: one row per
// task of a job, seconds. `plan_gpu` is per cent of a GPU and `plan_cpu` per cent of a core, per instance; GB of
// memory. A task is read as a job of inst_num instances; several instances with a share of a GPU each hold whole ones
// together.
#include <fmt/format.h>

#include <algorithm>

#include "traces/formats.hpp"

namespace orrery {

void read_pai(TableReader& rows, Trace& trace) {
  constexpr std::int64_t kGigabyte = 1'000'000'000;
  const int job = rows.column("job_name"), task = rows.column("task_name"), instances = rows.column("inst_num"),
            start = rows.column("start_time"), end = rows.column("end_time"), gpu = rows.column("plan_gpu"),
            cpu = rows.column("plan_cpu"), memory = rows.column("plan_mem"), type = rows.column("gpu_type");
  while (rows.next()) {
    TraceJob j;
    j.line = rows.line();
    j.job_id = fmt::format("{}/{}", rows.text(job), rows.text(task));
    j.submit = Time{rows.fixed(start, 9, 0, 0)};
    j.duration = Duration{std::max<std::int64_t>(rows.fixed(end, 9, 0, 0) - j.submit.ns, 0)};
    const std::int64_t n = rows.integer(instances, 1, 1, 1'000'000);
    const std::int64_t milli = std::min<std::int64_t>(rows.fixed(gpu, 1, 0, 0), 1'000'000) * n;  // per cent x 10
    j.gpus = static_cast<std::int32_t>(std::min<std::int64_t>((milli + kMilliPerGpu - 1) / kMilliPerGpu, 1'000'000));
    if (milli > 0 && milli < kMilliPerGpu) j.gpu_milli = static_cast<std::int32_t>(milli);
    j.cpu_milli = std::min<std::int64_t>(rows.fixed(cpu, 1, 0, 0), 1'000'000) * n;
    j.mem_bytes = std::min<std::int64_t>(rows.fixed(memory, 3, 0, 0), 1'000'000) * n * (kGigabyte / 1000);
    if (rows.text(type) != "MISC") j.gpu_type = rows.text(type);  // MISC is what is not named
    keep(rows, trace, std::move(j));
  }
  count_from_first(trace);
}

}  // namespace orrery
