// Job lists of ElasticFlow's simulator (pkusys/ElasticFlow, ASPLOS'23): seconds; `ddl` is the time, on the same
// clock, by which a job must have ended.
#include <limits>

#include "traces/format/formats.hpp"

namespace orrery {

void read_elasticflow(TableReader& rows, Trace& trace) {
  constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
  const int id = rows.column("job_id"), submit = rows.column("submit_time"), iterations = rows.column("iteration"),
            model = rows.column("model_name"), deadline = rows.column("ddl"), batch = rows.column("batch_size"),
            gpus = rows.column("num_gpu"), duration = rows.column("duration"), effort = rows.column("best_effort");
  while (rows.next()) {
    TraceJob j;
    j.line = rows.line();
    j.job_id = rows.given(id);
    j.submit = Time{rows.fixed(submit, 9, 0, 0)};
    j.gpus = static_cast<std::int32_t>(rows.integer(gpus, 1, 0, 1'000'000));
    j.duration = Duration{rows.fixed(duration, 9, 0, 0)};
    j.model = rows.given(model);
    j.iterations = rows.integer(iterations, 0, 0, kMax);
    j.batch = rows.integer(batch, 0, 0, kMax);
    // Best-effort jobs have none that counts, if any.
    if (rows.integer(effort, 0, 0, 1) == 0) j.deadline = Time{rows.fixed(deadline, 9, 0, 0)};
    keep(rows, trace, std::move(j));
  }
  count_from_first(trace);
}

}  // namespace orrery
