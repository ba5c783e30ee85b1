// The readers of all trace formats; formats.cpp lists them in one table. Each fills `trace.jobs` (in file order; the
// caller sorts), counts what it drops by reason in `trace.report.dropped`, and leaves errors in `rows`.
#pragma once

#include "traces/canonical.hpp"
#include "traces/table_reader.hpp"

namespace orrery {

// What every importer does at the end of a row: a good row is kept, one that is no GPU job is counted as dropped.
void keep(const TableReader& rows, Trace& trace, TraceJob&& job);
// Submit times counted from the earliest job.
void count_from_first(Trace& trace);

void read_canonical(TableReader& rows, Trace& trace);
void read_tiresias(TableReader& rows, Trace& trace);
void read_muri(TableReader& rows, Trace& trace);
void read_philly(TableReader& rows, Trace& trace);
void read_philly_derived(TableReader& rows, Trace& trace);
void read_msft_itp(TableReader& rows, Trace& trace);

}  // namespace orrery
