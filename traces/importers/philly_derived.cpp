// philly_jobs_derived.csv: jobs of ten Philly virtual clusters with submit times in UTC and whole-second durations,
// derived from the traces of PCS (OSDI'24). Attempts of a job are joined into one duration there.
#include <fmt/format.h>

#include "traces/format/formats.hpp"

namespace orrery {

void read_philly_derived(TableReader& rows, Trace& trace) {
  const int submit = rows.column("submit_utc_s"), vc = rows.column("vc"), duration = rows.column("duration_s"),
            gpus = rows.column("num_gpus");
  while (rows.next()) {
    TraceJob j;
    j.line = rows.line();
    j.job_id = fmt::format("r{}", rows.rows());
    j.submit = Time{rows.fixed(submit, 9, 0, 0)};
    j.gpus = static_cast<std::int32_t>(rows.integer(gpus, 1, 0, 1'000'000));
    j.duration = Duration{rows.fixed(duration, 9, 0, 0)};
    j.tenant = rows.given(vc);
    keep(rows, trace, std::move(j));
  }
  count_from_first(trace);
}

}  // namespace orrery
