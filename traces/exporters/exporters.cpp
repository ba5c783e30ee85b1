// The table of exporters and what they have in common.
#include "traces/exporters/exporters.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "sim/core/joined.hpp"

namespace orrery {

const std::vector<TraceExporter>& trace_exporters() {
  static const std::vector<TraceExporter> table{
      {"swf", "Standard Workload Format 2.2, GPUs as processors", export_swf},
      {"batsim", "JSON workload of Batsim, GPUs as resources", export_batsim},
  };
  return table;
}

bool is_exported(const TraceJob& job) {
  return job.gpus > 0 && job.duration.ns > 0;
}

std::vector<std::string> lost_in_export(const Trace& trace, const std::vector<std::string_view>& held) {
  std::vector<std::string> notes;
  std::vector<std::string_view> lost;
  for (const std::string_view column : used_columns(trace))
    if (std::find(held.begin(), held.end(), column) == held.end()) lost.push_back(column);
  if (!lost.empty()) notes.push_back(fmt::format("lost columns: {}", joined(lost, ", ")));
  if (std::find(lost.begin(), lost.end(), "gpu_fraction") != lost.end())
    notes.emplace_back("jobs on a fraction of a GPU ask for a whole one");
  const auto without =
      std::count_if(trace.jobs.begin(), trace.jobs.end(), [](const TraceJob& j) { return j.gpus == 0; });
  if (without > 0) notes.push_back(fmt::format("left out {} jobs without a GPU", without));
  const auto untimed = std::count_if(trace.jobs.begin(), trace.jobs.end(),
                                     [](const TraceJob& j) { return j.gpus > 0 && !is_exported(j); });
  if (untimed > 0)
    notes.push_back(fmt::format("left out {} jobs without a run time: it follows from profiles", untimed));
  return notes;
}

}  // namespace orrery
