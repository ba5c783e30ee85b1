// trace_seren.csv and trace_kalos.csv of InternLM/AcmeTrace (Shanghai AI Lab, 2023; NSDI'24) as published: local
// times with their zone. A job's run time is from its start to its end: the `duration` of Kalos has the queue in it.
// Memory (Kalos only) is per node.
#include <algorithm>

#include "traces/format/formats.hpp"
#include "traces/format/wall_clock.hpp"

namespace orrery {
namespace {

std::int64_t clock(TableReader& rows, int column) {
  const std::string_view text = rows.given(column);
  if (text.empty()) return 0;
  const auto zoned = parse_zoned_clock(text);
  if (!zoned) rows.complain(column, "must be a date, time and zone, such as 2023-05-17 11:00:58+08:00");
  return zoned.value_or(0);
}

const char* kind_of_type(std::string_view type) {
  return type == "Pretrain" ? "pretrain" : type == "SFT" ? "transfer" : type == "Evaluation" ? "eval" : "";
}

}  // namespace

void read_acme(TableReader& rows, Trace& trace) {
  constexpr std::int64_t kGigabyte = 1'000'000'000;
  const int id = rows.column("job_id"), user = rows.column("user"), nodes = rows.column("node_num"),
            gpus = rows.column("gpu_num"), cpus = rows.column("cpu_num"), memory = rows.column("mem_per_pod_GB"),
            type = rows.column("type"), submit = rows.column("submit_time"), start = rows.column("start_time"),
            end = rows.column("end_time");
  while (rows.next()) {
    TraceJob j;
    j.line = rows.line();
    j.job_id = rows.given(id);
    j.tenant = rows.given(user);
    j.gpus = static_cast<std::int32_t>(rows.integer(gpus, 0, 0, 1'000'000));
    j.cpu_milli = rows.maybe_fixed(cpus, 3, 0).value_or(0);
    const std::int64_t pods = rows.integer(nodes, 1, 0, 100'000);
    j.mem_bytes =
        std::min<std::int64_t>(rows.maybe_fixed(memory, 3, 0).value_or(0), 10'000'000) * pods * (kGigabyte / 1000);
    j.kind = kind_of_type(rows.text(type));
    j.submit = at_seconds(clock(rows, submit));
    const bool ran = !rows.text(start).empty() && !rows.text(end).empty();
    if (ran) j.duration = seconds(std::max<std::int64_t>(clock(rows, end) - clock(rows, start), 0));
    if (!rows.row_ok()) continue;
    if (ran)
      keep(rows, trace, std::move(j));
    else
      ++trace.report.dropped[rows.text(start).empty() ? "has no start" : "has no end"];
  }
  count_from_first(trace);
  trace.report.notes.emplace_back("run time is from start_time to end_time");
}

}  // namespace orrery
