// philly.csv of the Pollux and Sia artefacts: a filtered subset of Microsoft Philly (2017). Times are local wall
// clock without a zone and unsorted; they are taken as they stand, so that the night the clocks went back
// (2017-11-05) is an hour short. `gpu_time` repeats duration x GPUs. Jobs are ordered by (timestamp, duration, GPUs).
#include <algorithm>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "traces/format/formats.hpp"
#include "traces/format/wall_clock.hpp"

namespace orrery {
namespace {

struct PhillyRow {
  Duration runs{};
  std::int32_t gpus = 0;
  int line = 0;
  std::int64_t number = 0;
  std::string tenant;
};

// Where a row belongs: (submit, duration, GPUs, place in the file).
struct PhillyKey {
  Time submit{};
  Duration runs{};
  std::int32_t gpus = 0;
  std::uint32_t place = 0;
  friend bool operator<(const PhillyKey& a, const PhillyKey& b) {
    if (a.submit != b.submit) return a.submit < b.submit;
    return std::tie(a.runs, a.gpus, a.place) < std::tie(b.runs, b.gpus, b.place);
  }
};

}  // namespace

// Rows of a trace are large and the file is in no order: its few columns are read first, and their keys sorted.
void read_philly(TableReader& rows, Trace& trace) {
  const int timestamp = rows.column("timestamp"), duration = rows.column("duration"), gpus = rows.column("num_gpus"),
            cluster = rows.column("cluster");
  std::vector<PhillyRow> read;
  std::vector<PhillyKey> order;
  read.reserve(trace.jobs.capacity());
  order.reserve(trace.jobs.capacity());
  while (rows.next()) {
    Time submit{};
    if (const auto t = parse_wall_clock(rows.text(timestamp)))
      submit = at_seconds(*t);
    else
      rows.complain(timestamp, "must be a date and time from 1970 to 2200, such as 2017-10-09 07:01:55");
    const auto wide = static_cast<std::int32_t>(rows.integer(gpus, 1, 0, 1'000'000));
    const Duration runs{rows.fixed(duration, 9, 0, 0)};
    std::string tenant(rows.given(cluster));
    if (!rows.row_ok() || !is_kept(trace, wide, runs)) continue;
    order.push_back({submit, runs, wide, static_cast<std::uint32_t>(read.size())});
    read.push_back({runs, wide, rows.line(), rows.rows(), std::move(tenant)});
  }
  std::sort(order.begin(), order.end());
  for (const PhillyKey& key : order) {
    PhillyRow& r = read[key.place];
    TraceJob& j = trace.jobs.emplace_back();
    j.line = r.line;
    j.job_id = 'r' + std::to_string(r.number);
    j.submit = key.submit;
    j.gpus = r.gpus;
    j.duration = r.runs;
    j.tenant = std::move(r.tenant);
  }
  count_from_first(trace);
  trace.report.notes.emplace_back("local wall clock taken as it stands; ordered by (timestamp, duration, GPUs)");
}

}  // namespace orrery
