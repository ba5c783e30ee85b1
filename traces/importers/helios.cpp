// cluster_log.csv of HeliosData (S-Lab-System-Group, SC'21), the format of SenseTime's logs: local wall clock of
// China, which has no daylight saving; run times in seconds. The tenant is the virtual cluster. The logs themselves
// are too large to be kept with the recorded traces.
#include "traces/format/formats.hpp"
#include "traces/format/wall_clock.hpp"

namespace orrery {

void read_helios(TableReader& rows, Trace& trace) {
  const int id = rows.column("job_id"), vc = rows.column("vc"), gpus = rows.column("gpu_num"),
            cpus = rows.column("cpu_num"), submit = rows.column("submit_time"), duration = rows.column("duration");
  while (rows.next()) {
    TraceJob j;
    j.line = rows.line();
    j.job_id = rows.given(id);
    j.tenant = rows.given(vc);
    j.gpus = static_cast<std::int32_t>(rows.integer(gpus, 0, 0, 1'000'000));
    j.cpu_milli = rows.fixed(cpus, 3, 0, 0);
    if (const auto t = parse_wall_clock(rows.text(submit)))
      j.submit = at_seconds(*t);
    else
      rows.complain(submit, "must be a date and time from 1970 to 2200, such as 2020-04-01 00:02:37");
    j.duration = Duration{rows.fixed(duration, 9, 0, 0)};
    keep(rows, trace, std::move(j));
  }
  count_from_first(trace);
}

}  // namespace orrery
