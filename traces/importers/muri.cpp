// Job lists of the Muri simulator (Rivendile/Muri, SIGCOMM'22): submit, duration and iteration times in milliseconds.
#include <limits>

#include "traces/format/formats.hpp"

namespace orrery {

void read_muri(TableReader& rows, Trace& trace) {
  const int id = rows.column("job_id"), gpus = rows.column("num_gpu"), submit = rows.column("submit_time"),
            iterations = rows.column("iterations"), model = rows.column("model_name"),
            batch = rows.column("batch_size"), duration = rows.column("duration"),
            iteration = rows.column("iteration_time");
  constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
  trace.report.notes.emplace_back(
      "milliseconds; duration is the source's column, iterations x iteration_time is kept beside it");
  while (rows.next()) {
    TraceJob j;
    j.line = rows.line();
    j.job_id = rows.given(id);
    j.submit = Time{rows.fixed(submit, 6, 0, 0)};
    j.gpus = static_cast<std::int32_t>(rows.integer(gpus, 1, 0, 1'000'000));
    j.duration = Duration{rows.fixed(duration, 6, 0, 0)};
    j.model = rows.given(model);
    j.batch = rows.integer(batch, 0, 0, kMax);
    j.iterations = rows.integer(iterations, 0, 0, kMax);
    j.iteration_time = Duration{rows.fixed(iteration, 6, 0, 0)};
    keep(rows, trace, std::move(j));
  }
}

}  // namespace orrery
