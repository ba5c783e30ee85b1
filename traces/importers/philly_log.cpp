// cluster_job_log of msr-fiddle/philly-traces (Microsoft Philly, 2017; ATC'19) as published: a JSON list of jobs with
// their attempts. A job's run time is that of all its attempts together, its GPUs are those of the last one. Dropped
// and counted are jobs that never ran, that ran still when the log was taken, and those of whose attempts one lacks a
// time. Clocks are local and taken as they stand, as in philly.csv.
#include <fmt/format.h>

#include <algorithm>

#include "sim/core/json.hpp"
#include "traces/format/formats.hpp"
#include "traces/format/json_place.hpp"
#include "traces/format/wall_clock.hpp"
#include "traces/importers/json_jobs.hpp"

namespace orrery {
namespace {

using nlohmann::json;

std::string text_of(const json& object, const char* key) {
  const auto it = object.is_object() ? object.find(key) : object.end();
  return object.is_object() && it != object.end() && it->is_string() ? it->get<std::string>() : std::string();
}

std::optional<std::int64_t> clock_of(const json& object, const char* key) {
  return parse_wall_clock(text_of(object, key));
}

// No time there, as the log writes it: null, "None" or nothing.
bool has_no(const json& object, const char* key) {
  const auto it = object.find(key);
  return it == object.end() || it->is_null() || text_of(object, key) == "None" || *it == "";
}

// The GPUs of an attempt; nothing where it does not say.
std::optional<std::int64_t> gpus_of(const json& attempt) {
  const auto detail = attempt.find("detail");
  if (detail == attempt.end() || !detail->is_array()) return std::nullopt;
  std::int64_t gpus = 0;
  for (const json& node : *detail) {
    if (!node.is_object() || !node.contains("gpus") || !node["gpus"].is_array()) return std::nullopt;
    gpus += static_cast<std::int64_t>(node["gpus"].size());
  }
  return gpus;
}

class LogReader {
 public:
  LogReader(JsonComplaints& complaints, Trace& trace) : complaints_(complaints), trace_(trace) {}

  void read(JsonPlace at, const json& job) {
    ++trace_.report.rows;
    if (!job.is_object()) return complaints_.add(at, "a job of the list is no object", "no object");
    TraceJob j;
    j.line = at.line;
    j.job_id = text_of(job, "jobid");
    if (j.job_id.empty()) return complaints_.add(at, "a job has no `jobid`", "bad jobid");
    const auto submit = clock_of(job, "submitted_time");
    if (!submit) return wrong(at, j, "submitted_time", "must be a date and time such as 2017-10-07 01:11:39");
    j.submit = at_seconds(*submit);
    j.tenant = text_of(job, "vc");
    if (j.tenant.empty()) return wrong(at, j, "vc", "must name a virtual cluster");
    const auto attempts = job.find("attempts");
    if (attempts == job.end() || !attempts->is_array()) return wrong(at, j, "attempts", "must be a list");
    if (attempts->empty()) return drop("never ran");
    std::int64_t ran = 0;
    for (const json& attempt : *attempts) {
      if (!attempt.is_object()) return wrong(at, j, "attempts", "must be a list of objects");
      const bool last = &attempt == &attempts->back();
      if (last && has_no(attempt, "end_time")) return drop("ran still when the log was taken");
      if (has_no(attempt, "start_time") || has_no(attempt, "end_time")) return drop("an attempt lacks a time");
      const auto start = clock_of(attempt, "start_time"), end = clock_of(attempt, "end_time");
      if (!start || !end) return wrong(at, j, "attempts", "must have dates and times as start_time and end_time");
      if (*end < *start) return drop("an attempt ends before it starts");
      ran = std::min(ran + (*end - *start), kMaxTraceNs / kNsPerSecond + 1);  // too long is said further on
    }
    const auto gpus = gpus_of(attempts->back());
    if (!gpus || *gpus > 1'000'000) return wrong(at, j, "detail", "must be a list of machines with `gpus`");
    j.gpus = static_cast<std::int32_t>(*gpus);
    j.duration = seconds(ran);
    keep(trace_, std::move(j));
  }

 private:
  void wrong(JsonPlace at, const TraceJob& j, std::string_view key, std::string_view wanted) {
    complaints_.add(at, fmt::format("job `{}`: `{}` {}", j.job_id, key, wanted), fmt::format("bad {}", key));
  }
  void drop(const char* reason) { ++trace_.report.dropped[reason]; }

  JsonComplaints& complaints_;
  Trace& trace_;
};

}  // namespace

bool recognises_philly_log(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  if (first == text.npos || text[first] != '[') return false;
  const std::string_view start = text.substr(first, 65536);
  return start.find("\"jobid\"") != start.npos && start.find("\"attempts\"") != start.npos;
}

Expected<void> read_philly_log(const TraceText& source, Trace& trace) {
  JsonProgress progress;
  JsonComplaints complaints(source, trace);
  LogReader reader(complaints, trace);
  JsonPlace at;
  bool list = false;
  // Jobs are read as they end, and forgotten: the log is large.
  const auto take = [&](int depth, json::parse_event_t event, json& value) {
    if (depth == 0 && event == json::parse_event_t::array_start) list = true;
    if (depth != 1 || !list) return true;
    if (event == json::parse_event_t::object_start || event == json::parse_event_t::array_start)
      at = progress.place();
    const bool whole = event == json::parse_event_t::object_end || event == json::parse_event_t::array_end;
    if (event == json::parse_event_t::value) at = progress.place();
    if (whole || event == json::parse_event_t::value) reader.read(at, value);
    return !whole;
  };
  const JsonCursor from{source.text.data(), &progress};
  const JsonCursor to{source.text.data() + source.text.size(), &progress};
  try {
    const json all = json::parse(from, to, take);  // the callback has read it
    (void)all;
  } catch (const json::parse_error& e) {
    return fail(at_json_byte(source.file, source.text, e.byte == 0 ? 0 : e.byte - 1, "this is no JSON from here"));
  } catch (const json::out_of_range&) {
    return fail(Diagnostic{"this JSON holds a number that is too large", {source.file, progress.line, 1}});
  }
  if (!list) return fail(Diagnostic{"this is no job log of Philly: it is no list", {source.file, 1, 1}});
  count_from_first(trace);
  trace.report.notes.emplace_back("local wall clock taken as it stands; run time is that of all attempts together");
  return complaints.finish();
}

}  // namespace orrery
