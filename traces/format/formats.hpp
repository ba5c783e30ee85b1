// The readers of all trace formats; formats.cpp lists them in one table. Each fills `trace.jobs` (in file order; the
// caller sorts), counts what it drops by reason in `trace.report.dropped`, and leaves errors in `rows` or, where the
// format is no CSV with a header, returns them.
#pragma once

#include <algorithm>
#include <limits>
#include <type_traits>
#include <utility>
#include <vector>

#include "traces/format/canonical.hpp"
#include "traces/format/table_reader.hpp"

namespace orrery {

// Submit, run and other times of a trace are at most 73 years.
inline constexpr std::int64_t kMaxTraceNs = std::numeric_limits<std::int64_t>::max() / 4;

// What every importer does at the end of a row: a good row is kept, one that is no GPU job is counted as dropped.
void keep(const TableReader& rows, Trace& trace, TraceJob&& job);
void keep(Trace& trace, TraceJob&& job);
// Whether a good row of so many GPUs and so long is kept; counts it where it is not.
[[nodiscard]] bool is_kept(Trace& trace, std::int32_t gpus, Duration duration);
// What every table of rows does at its end: the reader's errors, or its counts into the report.
[[nodiscard]] Expected<void> finish_rows(TableReader& rows, Trace& trace);
// Reads a table: says which of `columns` are missing, or what the text is instead; names what nothing read.
[[nodiscard]] Expected<void> read_table(TableReader& rows, const std::vector<std::string_view>& columns,
                                        void (*read)(TableReader&, Trace&), const TraceText& source, Trace& trace);
// Notes, once, the columns that nobody asked `rows` for, each with the nearest of `known` that is not there.
void note_unread(const TableReader& rows, Trace& trace, const std::vector<std::string_view>& known = {});
// misfits.cpp: one sentence on a text that is no table of jobs at all: JSON, other separators, no line of column
// names, recordings of something else. Nothing for a table whose columns are merely other ones.
[[nodiscard]] std::optional<Diagnostic> misfit(const TraceText& source);
// The job's kind: empty, or one of ours; another is an error of the row.
void read_kind(TableReader& rows, int column, TraceJob& job);
// Puts rows in order of key_of(row), equal ones as they stand. Rows are large, so their keys are sorted, and each row
// is moved once.
template <class KeyOf>
void sort_rows(std::vector<TraceJob>& jobs, KeyOf key_of) {
  using Key = std::remove_cvref_t<decltype(key_of(jobs.front()))>;
  std::vector<std::pair<Key, std::size_t>> from;  // key, present place
  from.reserve(jobs.size());
  for (std::size_t i = 0; i < jobs.size(); ++i) from.emplace_back(key_of(jobs[i]), i);
  if (std::is_sorted(from.begin(), from.end())) return;
  std::sort(from.begin(), from.end());
  for (std::size_t first = 0; first < from.size();
       ++first) {  // cycle by cycle; places that are done come from themselves
    if (from[first].second == first) continue;
    TraceJob aside = std::move(jobs[first]);
    std::size_t to = first;
    for (std::size_t next = from[to].second; next != first; next = from[to].second) {
      jobs[to] = std::move(jobs[next]);
      from[to].second = to;
      to = next;
    }
    jobs[to] = std::move(aside);
    from[to].second = to;
  }
}
// Submit times counted from the earliest job.
void count_from_first(Trace& trace);

void read_canonical(TableReader& rows, Trace& trace);
void read_tiresias(TableReader& rows, Trace& trace);
void read_muri(TableReader& rows, Trace& trace);
void read_philly(TableReader& rows, Trace& trace);
void read_philly_derived(TableReader& rows, Trace& trace);
void read_msft_itp(TableReader& rows, Trace& trace);
void read_orrery(TableReader& rows, Trace& trace);
void read_pollux(TableReader& rows, Trace& trace);
void read_titan(TableReader& rows, Trace& trace);
void read_elasticflow(TableReader& rows, Trace& trace);
void read_openb(TableReader& rows, Trace& trace);
void read_kalos(TableReader& rows, Trace& trace);
void read_kalos_converted(TableReader& rows, Trace& trace);
void read_helios(TableReader& rows, Trace& trace);
void read_gaia(TableReader& rows, Trace& trace);
void read_chronus(TableReader& rows, Trace& trace);
void read_acme(TableReader& rows, Trace& trace);
void read_rubick(TableReader& rows, Trace& trace);

[[nodiscard]] bool recognises_swf(std::string_view text);
[[nodiscard]] Expected<void> read_swf(const TraceText& source, Trace& trace);
[[nodiscard]] bool recognises_gavel(std::string_view text);
[[nodiscard]] Expected<void> read_gavel(const TraceText& source, Trace& trace);
[[nodiscard]] bool recognises_bare_pai(std::string_view text);  // without a header, as it is published
[[nodiscard]] Expected<void> read_pai(const TraceText& source, Trace& trace);
[[nodiscard]] bool recognises_sacct(std::string_view text);
[[nodiscard]] Expected<void> read_sacct(const TraceText& source, Trace& trace);
[[nodiscard]] bool recognises_philly_log(std::string_view text);
[[nodiscard]] Expected<void> read_philly_log(const TraceText& source, Trace& trace);
[[nodiscard]] bool recognises_batsim(std::string_view text);
[[nodiscard]] Expected<void> read_batsim(const TraceText& source, Trace& trace);

}  // namespace orrery
