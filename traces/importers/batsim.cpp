// JSON workloads of Batsim (batsim.readthedocs.io, versions 3 and 4): jobs that ask for a number of resources, and
// profiles that say what a job does. Only `delay` profiles have a run time of their own; the others depend on a
// platform and are dropped. All times in seconds.
#include <fmt/format.h>

#include <algorithm>

#include "sim/core/quantity.hpp"
#include "traces/format/formats.hpp"
#include "traces/importers/batsim_json.hpp"

namespace orrery {
namespace {

using batsim::RawJob;
using batsim::RawProfile;
using batsim::RawWorkload;
using batsim::Value;
using batsim::ValueKind;

constexpr std::int64_t kMaxResources = 1'000'000;

std::string shown(const Value& v) {
  if (v.kind == ValueKind::other) return "no text and no number";
  return fmt::format("`{}`", v.text.substr(0, 60));
}

// One job against the rules; the first wrong value of a job is its error.
class JobReader {
 public:
  JobReader(const RawWorkload& workload, JsonComplaints& complaints, Trace& trace)
      : workload_(workload), complaints_(complaints), trace_(trace) {}

  void read(const RawJob& raw) {
    TraceJob j;
    j.line = raw.at.line;
    j.job_id = raw.id.text;
    if (j.job_id.empty()) {
      complaints_.add(raw.at, "a job has no `id`", "bad id");
      return;
    }
    const auto submit = time(raw.submit, 0);
    if (!submit) return wrong(raw, "subtime", raw.submit, "must be a number of seconds from 0 to 73 years");
    j.submit = Time{*submit};
    const auto resources = whole(raw.resources);
    if (!resources) return wrong(raw, "res", raw.resources, "must be a whole number from 0 to 1000000");
    j.gpus = static_cast<std::int32_t>(*resources);
    if (!walltime(raw, j) || !run_time(raw, j)) return;
    trace_.has_estimates = trace_.has_estimates || j.estimate.has_value();
    keep(trace_, std::move(j));
  }

 private:
  void wrong(const RawJob& raw, std::string_view key, const Value& v, std::string_view wanted) {
    complaints_.add(raw.at,
                    v.kind == ValueKind::absent
                        ? fmt::format("job `{}` has no `{}`; it {}", raw.id.text, key, wanted)
                        : fmt::format("job `{}`: `{}` is {}; it {}", raw.id.text, key, shown(v), wanted),
                    fmt::format("bad {}", key));
  }
  // Seconds as ns in [min, 73 years].
  static std::optional<std::int64_t> time(const Value& v, std::int64_t min) {
    if (v.kind != ValueKind::number) return std::nullopt;
    const auto ns = parse_fixed(v.text, 9);
    return ns && *ns >= min && *ns <= kMaxTraceNs ? ns : std::nullopt;
  }
  static std::optional<std::int64_t> whole(const Value& v) {
    const auto nano = time(v, 0);
    if (!nano || *nano % kNsPerSecond != 0 || *nano / kNsPerSecond > kMaxResources) return std::nullopt;
    return *nano / kNsPerSecond;
  }
  bool walltime(const RawJob& raw, TraceJob& j) {
    if (raw.walltime.kind == ValueKind::absent) return true;
    const auto ns = time(raw.walltime, -kNsPerSecond);
    if (ns == -kNsPerSecond) return true;
    if (ns && *ns > 0) {
      j.estimate = Duration{*ns};
      return true;
    }
    wrong(raw, "walltime", raw.walltime, "must be a number of seconds > 0, or -1 for none");
    return false;
  }
  bool run_time(const RawJob& raw, TraceJob& j) {
    if (raw.profile.kind != ValueKind::text) {
      wrong(raw, "profile", raw.profile, "must be the name of a profile");
      return false;
    }
    const auto it = workload_.profiles.find(raw.profile.text);
    if (it == workload_.profiles.end()) {
      complaints_.add(raw.at,
                      fmt::format("job `{}` names the profile `{}`, which is missing", raw.id.text, raw.profile.text),
                      "profile is missing");
      return false;
    }
    const RawProfile& p = it->second;
    if (p.type.kind == ValueKind::text && p.type.text != "delay") {
      ++trace_.report.dropped[fmt::format("profile type {} is not a delay", p.type.text)];
      return false;
    }
    const auto ns = time(p.delay, 0);
    if (p.type.kind == ValueKind::text && ns) {
      j.duration = Duration{*ns};
      return true;
    }
    std::string message = fmt::format("profile `{}`, of job `{}`, ", it->first, raw.id.text);
    if (p.type.kind != ValueKind::text)
      message += "has no `type`";
    else if (p.delay.kind == ValueKind::absent)
      message += "has no `delay`";
    else
      message +=
          fmt::format("has {} as its `delay`; it must be a number of seconds from 0 to 73 years", shown(p.delay));
    complaints_.add(p.at, std::move(message), "bad profile");
    return false;
  }

  const RawWorkload& workload_;
  JsonComplaints& complaints_;
  Trace& trace_;
};

}  // namespace

bool recognises_batsim(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  return first != std::string_view::npos && text[first] == '{' && text.find("\"jobs\"") != std::string_view::npos;
}

Expected<void> read_batsim(const TraceText& source, Trace& trace) {
  const auto workload = batsim::parse(source.file, source.text);
  if (!workload) return tl::make_unexpected(workload.error());
  JsonComplaints complaints(source, trace);
  JobReader reader(*workload, complaints, trace);
  for (const RawJob& raw : workload->jobs) reader.read(raw);
  trace.report.rows = static_cast<std::int64_t>(workload->jobs.size());
  trace.report.notes.emplace_back("resources are taken as GPUs");
  if (workload->resources.kind == ValueKind::number)
    trace.report.notes.push_back(fmt::format("the workload is for {} resources (nb_res)", workload->resources.text));
  return complaints.finish();
}

}  // namespace orrery
