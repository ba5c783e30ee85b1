// Workloads of Pollux (petuum/adaptdl, OSDI'21) and Sia (siasosp23/artifacts, SOSP'23): seconds; `num_replicas` is
// what a rigid scheduler is asked for. There is no run time: it follows from the profile of the application.
#include <limits>

#include "traces/format/formats.hpp"

namespace orrery {

void read_pollux(TableReader& rows, Trace& trace) {
  const int name = rows.column("name"), time = rows.column("time"), application = rows.column("application"),
            gpus = rows.column("num_replicas"), batch = rows.column("batch_size");
  trace.report.notes.emplace_back(
      "no run times: they follow from the profiles that the scenario names (`performance`)");
  while (rows.next()) {
    TraceJob j;
    j.line = rows.line();
    j.job_id = rows.given(name);
    j.submit = Time{rows.fixed(time, 9, 0, 0)};
    j.gpus = static_cast<std::int32_t>(rows.integer(gpus, 1, 1, 1'000'000));
    j.model = rows.given(application);
    j.batch = rows.integer(batch, 0, 1, std::numeric_limits<std::int64_t>::max());
    if (rows.row_ok()) trace.jobs.push_back(std::move(j));
  }
}

}  // namespace orrery
