// Job lists of Gavel (stanford-futuredata/gavel, OSDI'20) and Shockwave (uw-mad-dash/shockwave, NSDI'23):
// tab-separated, without a header. Seven fields (shapes of Philly jobs), ten, or twelve with the mode of batch-size
// adaptation and a duration; others have no run time, which follows from steps and the profile of the job type.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <limits>

#include "traces/format/formats.hpp"

namespace orrery {
namespace {

constexpr std::string_view kBatch = "(batch size ";

std::size_t fields_of(std::string_view line) {
  return line.empty() ? 0 : static_cast<std::size_t>(std::count(line.begin(), line.end(), '\t')) + 1;
}

std::string_view first_line(std::string_view text) {
  return text.substr(0, text.find_first_of("\r\n"));
}

// 32 of "ResNet-18 (batch size 32)"; 0 where there is none.
std::int64_t batch_of(std::string_view job_type) {
  const std::size_t at = job_type.find(kBatch);
  if (at == std::string_view::npos) return 0;
  std::int64_t batch = 0;
  const std::string_view digits = job_type.substr(at + kBatch.size());
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), batch);
  return error == std::errc{} && end != digits.data() && batch > 0 ? batch : 0;
}

BareTable table_of(std::size_t fields) {
  BareTable t;
  t.separator = '\t';
  t.comment = '#';
  if (fields == 7)
    t.columns = {"job_type", "command", "num_steps_arg", "needs_data_dir", "total_steps", "arrival", "scale_factor"};
  else if (fields == 10)
    t.columns = {"job_type",    "command",      "working_dir",     "num_steps_arg", "needs_data_dir",
                 "total_steps", "scale_factor", "priority_weight", "slo",           "arrival"};
  else
    t.columns = {"job_type",     "command", "working_dir",     "num_steps_arg", "needs_data_dir", "total_steps",
                 "scale_factor", "mode",    "priority_weight", "slo",           "duration",       "arrival"};
  return t;
}

}  // namespace

bool recognises_gavel(std::string_view text) {
  const std::string_view line = first_line(text);
  const std::size_t fields = fields_of(line);
  return (fields == 7 || fields == 10 || fields == 12) && line.substr(0, line.find('\t')).find(kBatch) != line.npos;
}

Expected<void> read_gavel(const TraceText& source, Trace& trace) {
  TableReader rows(source.file, source.text, table_of(fields_of(first_line(source.text))));
  if (source.skip_bad_rows) rows.skip_bad_rows();
  const int type = rows.column("job_type"), steps = rows.column("total_steps"), arrival = rows.column("arrival"),
            gpus = rows.column("scale_factor"), duration = rows.column("duration"),
            weight = rows.column("priority_weight"), slo = rows.column("slo");
  if (duration == TableReader::kAbsent)
    trace.report.notes.emplace_back("no run times: they follow from steps and the profile of the job type");
  while (rows.next()) {
    TraceJob j;
    j.line = rows.line();
    j.job_id = fmt::format("r{}", rows.rows());
    j.model = rows.given(type);
    j.batch = batch_of(j.model);
    j.iterations = rows.integer(steps, 1, 1, std::numeric_limits<std::int64_t>::max());
    j.submit = Time{rows.fixed(arrival, 9, 0, 0)};
    j.gpus = static_cast<std::int32_t>(rows.integer(gpus, 1, 1, 1'000'000));
    constexpr std::int64_t kMostPpm = 1'000'000'000'000;
    j.weight = static_cast<double>(std::min(rows.fixed(weight, 6, 1'000'000, 1), kMostPpm)) / 1e6;
    if (duration != TableReader::kAbsent) j.duration = Duration{rows.fixed(duration, 9, 1, 1)};
    // An SLO is a multiple of the run time alone; negative where there is none.
    if (const std::string_view text = rows.given(slo); !text.empty() && text.front() != '-') {
      const std::int64_t factor = rows.fixed(slo, 6, 0, 0);
      if (j.duration.ns > 0 && factor > 0) {
        const double ns = static_cast<double>(j.duration.ns) * static_cast<double>(factor) / 1e6;
        if (ns < static_cast<double>(kMaxTraceNs)) j.deadline = j.submit + Duration{static_cast<std::int64_t>(ns)};
      }
    }
    if (rows.row_ok()) trace.jobs.push_back(std::move(j));
  }
  return finish_rows(rows, trace);
}

}  // namespace orrery
