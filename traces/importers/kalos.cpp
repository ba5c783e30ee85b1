// kalos_completed_derived.csv: the jobs of the Acme cluster Kalos (Shanghai AI Lab, 2023; InternLM/AcmeTrace) that
// ended well. Seconds; CPUs of the whole job, memory per node.
#include <fmt/format.h>

#include <algorithm>

#include "traces/format/formats.hpp"

namespace orrery {

void read_kalos(TableReader& rows, Trace& trace) {
  constexpr std::int64_t kGigabyte = 1'000'000'000;
  const int arrival = rows.column("arrival_s"), duration = rows.column("duration_s"), nodes = rows.column("node_num"),
            gpus = rows.column("gpu_num"), cpus = rows.column("cpu_num"), memory = rows.column("mem_per_pod_GB"),
            pretrain = rows.column("pretrain");
  while (rows.next()) {
    TraceJob j;
    j.line = rows.line();
    j.job_id = fmt::format("r{}", rows.rows());
    j.submit = Time{rows.fixed(arrival, 9, 0, 0)};
    j.duration = Duration{rows.fixed(duration, 9, 0, 0)};
    j.gpus = static_cast<std::int32_t>(rows.integer(gpus, 0, 0, 1'000'000));
    j.cpu_milli = rows.fixed(cpus, 3, 0, 0);
    const std::int64_t pods = rows.integer(nodes, 1, 1, 1'000'000);
    j.mem_bytes = rows.integer(memory, 0, 0, 10'000) * std::min<std::int64_t>(pods, 100'000) * kGigabyte;
    if (rows.integer(pretrain, 0, 0, 1) == 1) j.kind = "pretrain";
    keep(rows, trace, std::move(j));
  }
}

// converted_kalos_trace.csv (hyunnnchoi/AcmeTrace): the same jobs in the columns of another simulator. num_iteration
// is the run time in steps of 0.5 s; nodes are workers; the networking columns are constants, and not read.
void read_kalos_converted(TableReader& rows, Trace& trace) {
  constexpr Duration kStep{kNsPerSecond / 2};
  constexpr std::int64_t kMostSteps = kMaxTraceNs / kStep.ns + 1;  // which is too long, and said further on
  const int id = rows.column("job_id"), arrival = rows.column("arrival_time"), steps = rows.column("num_iteration"),
            workers = rows.column("gpu_workers"), gpus = rows.column("gpu_per_worker"),
            cpus = rows.column("cpu_per_gpu_worker"), network = rows.column("profiled_network");
  while (rows.next()) {
    TraceJob j;
    j.line = rows.line();
    j.job_id = rows.given(id);
    j.submit = Time{rows.fixed(arrival, 9, 0, 0)};
    j.iterations = rows.integer(steps, 0, 0, kMostSteps);
    j.iteration_time = kStep;
    j.duration = Duration{j.iterations * kStep.ns};
    const std::int64_t nodes = rows.integer(workers, 1, 1, 10'000);
    j.gpus = static_cast<std::int32_t>(nodes * (std::min<std::int64_t>(rows.fixed(gpus, 3, 0, 0), 64'000) / 1000));
    j.cpu_milli = j.gpus * std::min<std::int64_t>(rows.fixed(cpus, 3, 0, 0), 1'000'000);  // per GPU
    if (rows.integer(network, 0, 0, 1'000'000) == 1000) j.kind = "pretrain";
    keep(rows, trace, std::move(j));
  }
}

}  // namespace orrery
