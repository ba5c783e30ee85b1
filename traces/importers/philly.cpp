// philly.csv of the Pollux and Sia artefacts: a filtered subset of Microsoft Philly (2017). Times are local wall
// clock without a zone and unsorted; they are taken as they stand, so that the night the clocks went back
// (2017-11-05) is an hour short. `gpu_time` repeats duration x GPUs. Jobs are ordered by (timestamp, duration, GPUs).
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <tuple>

#include "traces/formats.hpp"

namespace orrery {
namespace {

// Days since 1970-01-01 of a civil date (Howard Hinnant's days_from_civil).
std::int64_t days_from_civil(std::int64_t y, unsigned m, unsigned d) {
  y -= m <= 2;
  const std::int64_t era = (y >= 0 ? y : y - 399) / 400;
  const auto yoe = static_cast<unsigned>(y - era * 400);
  const unsigned doy = (153 * (m + (m > 2 ? -3u : 9u)) + 2) / 5 + d - 1;
  const unsigned doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
  return era * 146097 + static_cast<std::int64_t>(doe) - 719468;
}

// "2017-10-09 07:01:55" as seconds since 1970 of the same wall clock.
std::optional<std::int64_t> parse_wall_clock(std::string_view t) {
  if (t.size() != 19 || t[4] != '-' || t[7] != '-' || t[10] != ' ' || t[13] != ':' || t[16] != ':')
    return std::nullopt;
  const auto number = [t](std::size_t from, std::size_t size) {
    unsigned v = 0;
    const auto [end, error] = std::from_chars(t.data() + from, t.data() + from + size, v);
    return error == std::errc{} && end == t.data() + from + size ? std::optional<unsigned>(v) : std::nullopt;
  };
  const auto year = number(0, 4), month = number(5, 2), day = number(8, 2), hour = number(11, 2),
             minute = number(14, 2), second = number(17, 2);
  if (!year || !month || !day || !hour || !minute || !second) return std::nullopt;
  if (*year < 1970 || *year > 2200) return std::nullopt;  // what nanoseconds in 64 bits can tell apart
  if (*month < 1 || *month > 12 || *day < 1 || *day > 31 || *hour > 23 || *minute > 59 || *second > 60)
    return std::nullopt;
  return days_from_civil(*year, *month, *day) * 86400 + *hour * 3600 + *minute * 60 + *second;
}

}  // namespace

void read_philly(TableReader& rows, Trace& trace) {
  const int timestamp = rows.column("timestamp"), duration = rows.column("duration"), gpus = rows.column("num_gpus"),
            cluster = rows.column("cluster");
  while (rows.next()) {
    TraceJob j;
    j.line = rows.line();
    j.job_id = fmt::format("r{}", rows.rows());
    if (const auto t = parse_wall_clock(rows.text(timestamp)))
      j.submit = at_seconds(*t);
    else
      rows.complain(timestamp, "must be a date and time from 1970 to 2200, such as 2017-10-09 07:01:55");
    j.gpus = static_cast<std::int32_t>(rows.integer(gpus, 1, 0, 1'000'000));
    j.duration = Duration{rows.fixed(duration, 9, 0, 0)};
    j.tenant = rows.text(cluster);
    keep(rows, trace, std::move(j));
  }
  std::stable_sort(trace.jobs.begin(), trace.jobs.end(), [](const TraceJob& a, const TraceJob& b) {
    return std::tie(a.submit, a.duration, a.gpus) < std::tie(b.submit, b.duration, b.gpus);
  });
  count_from_first(trace);
  trace.report.notes.emplace_back("local wall clock taken as it stands; ordered by (timestamp, duration, GPUs)");
}

}  // namespace orrery
