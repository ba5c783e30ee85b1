// jobs.csv of a run folder of Orrery, simulated or live: what happened becomes a workload. A job's duration is the
// time it really ran (run_s), over all its launches. What the table does not hold (edges between jobs, deadlines,
// estimates, fractions of a GPU) is not in the trace either.
#include <fmt/format.h>

#include "traces/format/formats.hpp"

namespace orrery {

void read_orrery(TableReader& rows, Trace& trace) {
  const int id = rows.column("job_id"), tenant = rows.column("tenant"), kind = rows.column("kind"),
            model = rows.column("model"), gpus = rows.column("gpus"), submit = rows.column("submit_s"),
            run = rows.column("run_s"), state = rows.column("state");
  trace.report.notes.emplace_back("duration is the time a job ran, over all its launches");
  trace.report.notes.emplace_back("a run's table holds no edges, deadlines, estimates or fractions of a GPU");
  for (const std::string& name : rows.header()) (void)rows.column(name);  // the others say how that run went
  while (rows.next()) {
    if (const std::string how{rows.given(state)}; how != "finished") {
      if (!how.empty()) ++trace.report.dropped[fmt::format("{}, not finished", how)];
      continue;
    }
    TraceJob j;
    j.line = rows.line();
    j.job_id = rows.given(id);
    j.tenant = rows.text(tenant);
    read_kind(rows, kind, j);
    j.model = rows.text(model);
    j.submit = Time{rows.fixed(submit, 9, 0, 0)};
    j.gpus = static_cast<std::int32_t>(rows.integer(gpus, 1, 0, 1'000'000));
    j.duration = Duration{rows.fixed(run, 9, 0, 0)};
    keep(rows, trace, std::move(j));
  }
}

}  // namespace orrery
