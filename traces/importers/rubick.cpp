// Workloads of Rubick (Morphling's artefact): seconds; run times are those of the execution plan that a row names.
#include <limits>

#include "traces/format/formats.hpp"

namespace orrery {

void read_rubick(TableReader& rows, Trace& trace) {
  const int name = rows.column("name"), submit = rows.column("submission_time"), duration = rows.column("duration"),
            application = rows.column("application"), gpus = rows.column("num_gpus"), cpus = rows.column("num_cpus"),
            steps = rows.column("steps");
  while (rows.next()) {
    TraceJob j;
    j.line = rows.line();
    j.job_id = rows.given(name);
    j.submit = Time{rows.fixed(submit, 9, 0, 0)};
    j.duration = Duration{rows.fixed(duration, 9, 0, 0)};
    j.gpus = static_cast<std::int32_t>(rows.integer(gpus, 1, 0, 1'000'000));
    j.cpu_milli = rows.fixed(cpus, 3, 0, 0);
    j.model = rows.given(application);
    j.iterations = rows.integer(steps, 0, 0, std::numeric_limits<std::int64_t>::max());
    keep(rows, trace, std::move(j));
  }
}

}  // namespace orrery
