#include "scenarios/run/run_output.hpp"

#include <sys/resource.h>
#include <unistd.h>

#include <ctime>
#include <memory>
#include <utility>

#include "orrery_version.hpp"
#include "policies/reference/emulations.hpp"
#include "policies/registry.hpp"
#include "scenarios/run/input_digest.hpp"
#include "scenarios/spec/make_policy.hpp"
#include "scenarios/spec/outside_policy.hpp"
#include "scenarios/spec/scenario_reader.hpp"
#include "sim/observe/log/digest.hpp"
#include "sim/observe/metrics/tables.hpp"

namespace orrery::app {
namespace {

// Runs above this many jobs write no event log unless asked to.
constexpr std::int64_t kLogByDefaultBelow = 200'000;

std::string host_name() {
  char name[256] = {};
  return gethostname(name, sizeof name - 1) == 0 ? std::string(name) : std::string("unknown");
}

std::string utc_now() {
  const std::time_t now = std::time(nullptr);
  std::tm tm{};
  gmtime_r(&now, &tm);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &tm);
  return text;
}

std::int64_t peak_rss_bytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<std::int64_t>(usage.ru_maxrss) * 1024;
}

Scenario effective_of(const Prepared& p, const RunRequest& request) {
  Scenario effective = p.scenario;
  effective.policy = request.policy;
  return effective;
}

RunManifest manifest_of(const Prepared& p, const RunRequest& request, const RunReport& report) {
  RunManifest m;
  m.command = request.command;
  m.config_sha256 = config_sha256(effective_of(p, request), p.inputs_sha256);
  m.trace_file = p.scenario.workload.trace;
  m.trace_sha256 = p.trace_sha256;
  m.seed = request.seed;
  m.policy = request.policy.name;
  m.placement = placement_of(request.policy, p.scenario.emulate);
  const bool of_library = is_of_library(request.policy);
  if (const PolicyInfo* info = of_library ? nullptr : find_policy(request.policy.name))
    for (const OptionSpec& o : emulated(*info, p.emulation).options) m.policy_options[o.name] = o.default_value;
  for (const auto& [name, value] : request.policy.options) m.policy_options[name] = value;
  m.versions = {kVersion, kCommit, kCompiler, kBuildType};
  m.summary = report.result.summary;
  m.measured.host = host_name();
  m.measured.date = utc_now();
  m.measured.wall_s = report.wall_s;
  m.measured.decision_s = report.decision_s;
  m.measured.decision_p50_s = report.decision_p50_s;
  m.measured.decision_p99_s = report.decision_p99_s;
  m.measured.events = report.events;
  m.measured.peak_rss_bytes = peak_rss_bytes();
  return m;
}

}  // namespace

Expected<RunOutput> RunOutput::open(const Prepared& p, const RunRequest& request, const RunRecord& record) {
  RunOutput output(p, request, record);
  if (!request.folder) return output;
  auto made = RunFolder::create(*request.folder, request.replace);
  if (!made) return tl::make_unexpected(std::move(made.error()));
  output.folder_.emplace(std::move(*made));
  const bool small = static_cast<std::int64_t>(p.workload.specs.size()) < kLogByDefaultBelow;
  if (p.scenario.log_events.value_or(small))
    output.log_ = std::make_unique<EventLog>(record.jobs(), record.node_gpus(),
                                             EventLogOptions{output.folder_->path("events.jsonl.zst")});
  return output;
}

std::vector<Observer*> RunOutput::observers() {
  if (log_ == nullptr) return {};
  return {log_.get()};
}

std::optional<std::string> RunOutput::path(std::string_view file) const {
  return folder_ ? std::optional(folder_->path(file)) : std::nullopt;
}

Expected<std::string> RunOutput::write(const RunReport& report) {
  if (!folder_ || !report.failure.empty()) return std::string();
  std::string events_sha;
  if (log_ != nullptr) {
    auto closed = log_->close();
    if (!closed) return tl::make_unexpected(std::move(closed.error()));
    events_sha = std::move(*closed);
  }
  const MetricsFold& fold = record_->fold();
  auto jobs_sha = folder_->write("jobs.csv", [&fold](const TextSink& sink) { write_jobs_csv(fold, sink); });
  if (!jobs_sha) return tl::make_unexpected(std::move(jobs_sha.error()));
  auto samples_sha =
      folder_->write("samples.csv", [&fold](const TextSink& sink) { write_samples_csv(fold.samples(), sink); });
  if (!samples_sha) return tl::make_unexpected(std::move(samples_sha.error()));
  if (auto ok = folder_->write("summary.json", summary_json(report.result.summary)); !ok)
    return tl::make_unexpected(std::move(ok.error()));
  if (auto ok = folder_->write("scenario.yaml", effective_yaml(effective_of(*prepared_, *request_))); !ok)
    return tl::make_unexpected(std::move(ok.error()));
  RunManifest manifest = manifest_of(*prepared_, *request_, report);
  manifest.result_digest = result_digest(*jobs_sha, *samples_sha, events_sha);
  if (auto ok = folder_->commit(manifest); !ok) return tl::make_unexpected(std::move(ok.error()));
  return manifest.result_digest;
}

}  // namespace orrery::app
