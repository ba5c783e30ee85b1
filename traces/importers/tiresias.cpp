// Job lists of the Tiresias simulator (SymbioticLab/Tiresias, NSDI'19): seconds; `interval` repeats submit_time.
#include <limits>

#include "traces/format/formats.hpp"

namespace orrery {

void read_tiresias(TableReader& rows, Trace& trace) {
  const int id = rows.column("job_id"), gpus = rows.column("num_gpu"), submit = rows.column("submit_time"),
            iterations = rows.column("iterations"), model = rows.column("model_name"),
            duration = rows.column("duration");
  while (rows.next()) {
    TraceJob j;
    j.line = rows.line();
    j.job_id = rows.given(id);
    j.submit = Time{rows.fixed(submit, 9, 0, 0)};
    j.gpus = static_cast<std::int32_t>(rows.integer(gpus, 1, 0, 1'000'000));
    j.duration = Duration{rows.fixed(duration, 9, 0, 0)};
    j.model = rows.given(model);
    j.iterations = rows.integer(iterations, 0, 0, std::numeric_limits<std::int64_t>::max());
    keep(rows, trace, std::move(j));
  }
}

}  // namespace orrery
