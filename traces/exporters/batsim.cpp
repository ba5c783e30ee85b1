// JSON workload of Batsim, as its versions 3 and 4 read it: `nb_res`, jobs in order of submit, and one profile of
// type `delay` for each run time. Numbers are exact to the ns.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "sim/core/json.hpp"
#include "sim/core/json_text.hpp"
#include "traces/exporters/exporters.hpp"
#include "traces/format/decimal.hpp"

namespace orrery {
namespace {

std::string quoted(const std::string& text) {
  return json_line(nlohmann::json(text));
}

std::string profile_name(std::int64_t duration_ns) {
  return fmt::format("delay_{}", seconds_text(duration_ns));
}

}  // namespace

ExportedTrace export_batsim(const Trace& trace, const ExportOptions& options) {
  ExportedTrace out;
  out.notes = lost_in_export(trace, {"job_id", "submit_s", "gpus", "duration_s", "estimate_s"});
  std::int64_t largest = 1;
  for (const TraceJob& j : trace.jobs) largest = std::max<std::int64_t>(largest, j.gpus);
  const std::int64_t resources = options.cluster_gpus > 0 ? options.cluster_gpus : largest;
  if (options.cluster_gpus == 0)
    out.notes.push_back(fmt::format("nb_res is {}, of the largest job; --gpus sets it", largest));
  if (largest > resources)
    out.notes.push_back(
        fmt::format("the largest job asks for {} GPUs, more than the {} there are", largest, resources));

  out.text = fmt::format("{{\n\"nb_res\": {},\n\"jobs\": [", resources);
  std::set<std::int64_t> durations;
  for (const TraceJob& j : trace.jobs) {
    if (!is_exported(j)) continue;
    out.text += out.jobs++ == 0 ? "\n" : ",\n";
    out.text +=
        fmt::format(R"({{"id": {}, "subtime": {}, "res": {}, )", quoted(j.job_id), seconds_text(j.submit.ns), j.gpus);
    if (j.estimate) out.text += fmt::format(R"("walltime": {}, )", seconds_text(j.estimate->ns));
    out.text += fmt::format(R"("profile": "{}"}})", profile_name(j.duration.ns));
    durations.insert(j.duration.ns);
  }
  out.text += "\n],\n\"profiles\": {";
  bool first = true;
  for (const std::int64_t ns : durations) {
    out.text += first ? "\n" : ",\n";
    out.text += fmt::format(R"("{}": {{"type": "delay", "delay": {}}})", profile_name(ns), seconds_text(ns));
    first = false;
  }
  out.text += "\n}\n}\n";
  return out;
}

}  // namespace orrery
