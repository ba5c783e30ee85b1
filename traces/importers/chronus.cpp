// Job lists of Chronus (S-Lab-System-Group/ChronusArtifact, SoCC'21) made of Philly's: the columns of Tiresias' with
// what a job is worth when. Nothing in a file says its unit; those of Philly span two weeks in 20,151 units, so these
// are minutes. Deadlines are counted from submission, and only a strict job must meet one.
#include <fmt/format.h>

#include <limits>

#include "sim/core/quantity.hpp"
#include "traces/format/formats.hpp"

namespace orrery {
namespace {

constexpr std::int64_t kMinute = 60 * kNsPerSecond;

// A number of minutes; times further on are checked once more, counted from the first job.
std::int64_t minutes(TableReader& rows, int column) {
  const std::int64_t milli = rows.fixed(column, 3, 0, 0);
  if (milli <= kMaxTraceNs / kMinute * 1000) return milli * (kMinute / 1000);
  rows.complain(column, "is more than 73 years (it is in minutes)");
  return 0;
}

}  // namespace

void read_chronus(TableReader& rows, Trace& trace) {
  const int id = rows.column("job_id"), user = rows.column("user"), gpus = rows.column("num_gpu"),
            submit = rows.column("submit_time"), iterations = rows.column("iterations"),
            model = rows.column("model_name"), duration = rows.column("duration"),
            expected = rows.column("expect_time_list"), type = rows.column("job_type");
  while (rows.next()) {
    TraceJob j;
    j.line = rows.line();
    j.job_id = rows.given(id);
    j.tenant = rows.given(user);
    j.submit = Time{minutes(rows, submit)};
    j.gpus = static_cast<std::int32_t>(rows.integer(gpus, 1, 0, 1'000'000));
    j.duration = Duration{minutes(rows, duration)};
    j.model = rows.given(model);
    j.iterations = rows.integer(iterations, 0, 0, std::numeric_limits<std::int64_t>::max());
    if (rows.given(type) == "strict") {
      const Time by{j.submit.ns + minutes(rows, expected)};
      if (by.ns <= kMaxTraceNs) j.deadline = by;
    }
    keep(rows, trace, std::move(j));
  }
  trace.report.notes.emplace_back("deadlines are those of strict jobs; what other jobs are worth when is not read");
}

}  // namespace orrery
