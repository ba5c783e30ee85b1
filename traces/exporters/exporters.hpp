// Traces written in the formats of other simulators. An exporter is one file in exporters/ and one row in
// exporters.cpp. No foreign format holds all of a canonical trace: each export says what it left out.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "traces/format/canonical.hpp"

namespace orrery {

struct ExportOptions {
  std::int64_t cluster_gpus = 0;  // of the cluster the trace is for; 0 = not known
  std::string made_by;            // one line for the file's comments, where it has any
};

struct ExportedTrace {
  std::string text;
  std::int64_t jobs = 0;
  std::vector<std::string> notes;  // what was lost or renamed, one line each
};

struct TraceExporter {
  std::string_view name;
  std::string_view about;
  ExportedTrace (*write)(const Trace& trace, const ExportOptions& options);
};

[[nodiscard]] const std::vector<TraceExporter>& trace_exporters();

// Standard Workload Format 2.2; times in decimal seconds, exact to the ns.
[[nodiscard]] ExportedTrace export_swf(const Trace& trace, const ExportOptions& options);
// JSON workload of Batsim: one `delay` profile for each run time.
[[nodiscard]] ExportedTrace export_batsim(const Trace& trace, const ExportOptions& options);

// Jobs that need no GPU, or whose run time follows from a profile, are left out of every export.
[[nodiscard]] bool is_exported(const TraceJob& job);

// Notes of columns that the trace uses and that are not in `held`, and of jobs that are left out.
[[nodiscard]] std::vector<std::string> lost_in_export(const Trace& trace, const std::vector<std::string_view>& held);

}  // namespace orrery
