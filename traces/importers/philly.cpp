// philly.csv of the Pollux and Sia artefacts: a filtered subset of Microsoft Philly (2017). Times are local wall
// clock without a zone and unsorted; they are taken as they stand, so that the night the clocks went back
// (2017-11-05) is an hour short. `gpu_time` repeats duration x GPUs. Jobs are ordered by (timestamp, duration, GPUs).
#include <string>
#include <tuple>

#include "traces/format/formats.hpp"
#include "traces/format/wall_clock.hpp"

namespace orrery {

void read_philly(TableReader& rows, Trace& trace) {
  const int timestamp = rows.column("timestamp"), duration = rows.column("duration"), gpus = rows.column("num_gpus"),
            cluster = rows.column("cluster");
  while (rows.next()) {
    TraceJob j;
    j.line = rows.line();
    j.job_id = 'r' + std::to_string(rows.rows());
    if (const auto t = parse_wall_clock(rows.text(timestamp)))
      j.submit = at_seconds(*t);
    else
      rows.complain(timestamp, "must be a date and time from 1970 to 2200, such as 2017-10-09 07:01:55");
    j.gpus = static_cast<std::int32_t>(rows.integer(gpus, 1, 0, 1'000'000));
    j.duration = Duration{rows.fixed(duration, 9, 0, 0)};
    j.tenant = rows.given(cluster);
    keep(rows, trace, std::move(j));
  }
  sort_rows(trace.jobs, [](const TraceJob& j) { return std::make_tuple(j.submit, j.duration, j.gpus); });
  count_from_first(trace);
  trace.report.notes.emplace_back("local wall clock taken as it stands; ordered by (timestamp, duration, GPUs)");
}

}  // namespace orrery
