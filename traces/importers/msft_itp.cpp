// clusterNN.csv of microsoft/elasticflow-traces (ASPLOS'23): Microsoft ITP, 60 days of 2021. Seconds since the start
// of the collection, which every cluster entered at another time: submits are counted from the first job.
#include "traces/format/formats.hpp"

namespace orrery {

void read_msft_itp(TableReader& rows, Trace& trace) {
  const int id = rows.column("job_id"), submit = rows.column("submission_time"), duration = rows.column("duration"),
            gpus = rows.column("num_gpu"), model = rows.column("model_name"),
            iterations = rows.column("num_iteration"), batch = rows.column("batch_size"),
            deadline = rows.column("deadline");
  while (rows.next()) {
    TraceJob j;
    j.line = rows.line();
    j.job_id = rows.given(id);
    j.submit = Time{rows.fixed(submit, 9, 0, 0)};
    j.gpus = static_cast<std::int32_t>(rows.integer(gpus, 1, 0, 1'000'000));
    j.duration = Duration{rows.fixed(duration, 9, 0, 0)};
    j.model = rows.text(model);
    j.iterations = rows.fixed(iterations, 0, 0, 0);
    j.batch = rows.fixed(batch, 0, 0, 0);
    if (deadline != TableReader::kAbsent) j.deadline = Time{rows.fixed(deadline, 9, 0, 0)};
    keep(rows, trace, std::move(j));
  }
  count_from_first(trace);
}

}  // namespace orrery
