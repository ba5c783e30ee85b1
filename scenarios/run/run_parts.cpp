#include "scenarios/run/run_parts.hpp"

#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <ctime>
#include <utility>

#include "orrery_version.hpp"
#include "policies/placement/placements.hpp"
#include "policies/reference/emulations.hpp"
#include "policies/registry.hpp"
#include "scenarios/run/input_digest.hpp"
#include "scenarios/run/policy_failed.hpp"
#include "scenarios/spec/make_policy.hpp"
#include "scenarios/spec/outside_policy.hpp"
#include "scenarios/spec/scenario_reader.hpp"
#include "sim/core/assert.hpp"
#include "sim/models/lifecycle/checkpoint_cost.hpp"
#include "sim/models/lifecycle/transfer.hpp"
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

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

JobTable table_of(const Prepared& p) {
  JobTable table;
  table.reserve(p.workload.specs.size());
  for (const JobSpec& s : p.workload.specs)
    table.push_back(
        {s.name, s.tenant, s.model, std::string(to_string(s.kind)), s.demand.gpus, s.demand.milli_gpus()});
  return table;
}

RunClock clock_of(const Prepared& p, const std::string& policy) {
  if (p.emulation == nullptr || p.emulation->counted == nullptr) return {};
  return {p.emulation->counted(policy)};
}

// Against one whole GPU of the first node; nothing where a profile does not say how fast it is there.
std::optional<double> speedup_of(const PerformanceModel& model, const JobSpec& spec, const Allocation& gpus) {
  Allocation one;
  for (const NodeSlice& s : gpus.slices()) {
    if (!s.gpus.any()) continue;
    one.add({s.node, kMilliPerGpu, s.gpus.lowest(1), 0, 0});
    break;
  }
  const Speed alone = model.speed(spec, one, {}, {}), there = model.speed(spec, gpus, {}, {});
  if (!alone.known || !there.known || alone.rate.per_billion <= 0) return std::nullopt;
  return static_cast<double>(there.rate.per_billion) / static_cast<double>(alone.rate.per_billion);
}

StudyInputs study_inputs(const Prepared& p, RunClock clock) {
  StudyInputs in = make_study_inputs(p.workload.specs, *p.topology);
  in.clock = clock;
  for (std::size_t i = 0; i < in.jobs.size(); ++i) in.jobs[i].exclusive = Duration{p.workload.truths[i].work.ns};
  if (p.profiled != nullptr)
    in.speedup = [&p](JobId job, const Allocation& gpus) {
      return speedup_of(*p.profiled, p.workload.specs[job.index()], gpus);
    };
  return in;
}

InvariantOptions invariant_options(const Prepared& p) {
  InvariantOptions o;
  o.emulate = p.emulation;
  return o;
}

}  // namespace

OverheadModel overhead_model(const OverheadConfig& config) {
  OverheadModel m;
  m.launch = config.launch;
  m.stop = config.stop;
  m.restart_default = config.restart_constant;
  m.restart_models = config.restart_models;
  if (config.restart == "constant") m.restart = OverheadModel::Restart::constant;
  m.restart_jobs = config.restart_jobs;
  if (config.restart == "checkpoint") m.restart = OverheadModel::Restart::per_job;
  if (config.restart == "per_model") m.restart = OverheadModel::Restart::per_model;
  return m;
}

RunParts::RunParts(const Prepared& p, const RunRequest& request)
    : job_table_(std::make_shared<JobTable>(table_of(p))),
      node_gpus_(gpus_by_node(*p.topology)),
      source(p.workload.specs, [this](const JobSpec& spec) { return estimate(spec); }),
      fold(job_table_, node_gpus_, clock_of(p, request.policy.name)),
      study(job_table_, study_inputs(p, clock_of(p, request.policy.name))),
      prepared_(&p),
      request_(request),
      empty_(*p.topology),
      feasibility_(make_placement(placement_of(request.policy, p.scenario.emulate), request.seed)),
      checker_(invariant_options(p)) {
  const PublishConfig& publish = p.scenario.publish;
  if (publish.cost.ns > 0)
    points_ = publish_points({static_cast<std::int32_t>(publish.every_per_mille), publish.cost}, p.workload.specs);
}

Expected<std::unique_ptr<RunParts>> RunParts::make(const Prepared& p, const RunRequest& request) {
  std::unique_ptr<RunParts> parts(new RunParts(p, request));
  if (!request.folder) return parts;
  auto made = RunFolder::create(*request.folder, request.replace);
  if (!made) return tl::make_unexpected(std::move(made.error()));
  parts->folder_.emplace(std::move(*made));
  const bool small = static_cast<std::int64_t>(p.workload.specs.size()) < kLogByDefaultBelow;
  if (p.scenario.log_events.value_or(small))
    parts->log_.emplace(parts->job_table_, parts->node_gpus_,
                        EventLogOptions{parts->folder_->path("events.jsonl.zst")});
  return parts;
}

void RunParts::watch_work(const PerformanceModel& truth, const SimOptions& world) {
  WorldModel w;
  w.speed = &truth;
  w.network = world.network;
  w.slow_nodes = world.failures.stragglers.active();
  w.longest_save = std::max(world.checkpoints.cost, world.publishes.cost);
  for (const Duration cost : world.checkpoints.costs) w.longest_save = std::max(w.longest_save, cost);
  w.prompt = true;
  w.rule = world.rule;
  const std::vector<JobTruth>& truths = prepared_->workload.truths;
  checker_.watch_work([&truths](JobId id) -> std::optional<Work> { return truths[id.index()].work; }, std::move(w));
}

const PerformanceModel& RunParts::model() const {
  if (prepared_->profiled != nullptr) return *prepared_->profiled;
  return ideal_;
}

std::optional<Duration> RunParts::estimate(const JobSpec& spec) const {
  switch (prepared_->estimates) {
    case EstimateSource::user: return spec.user_estimate;
    case EstimateSource::history: return history_.estimate(spec);
    case EstimateSource::oracle: {
      const CheckpointConfig& saves = prepared_->scenario.checkpoints;
      const Duration run{prepared_->workload.truths[spec.id.index()].work.ns};
      const std::size_t job = spec.id.index();
      const std::span<const std::int32_t> points = points_.empty() ? std::span<const std::int32_t>() : points_[job];
      const Duration cost = saves.costs.empty() ? saves.cost : saves.costs[job];
      return run + stands_still(run, saves.every, cost, prepared_->scenario.publish.cost, points);
    }
    default: return std::nullopt;
  }
}

std::vector<Observer*> RunParts::observers() {
  std::vector<Observer*> all{&fold, &study};
  if (prepared_->estimates == EstimateSource::history) all.push_back(&history_);
  if (prepared_->scenario.check) all.push_back(&checker_);
  if (log_) all.push_back(&*log_);
  return all;
}

std::optional<std::string> RunParts::path(std::string_view file) const {
  return folder_ ? std::optional(folder_->path(file)) : std::nullopt;
}

ControllerOptions RunParts::controller_options(const Capabilities& policy) {
  ControllerOptions o;
  o.retry_budget = static_cast<std::uint32_t>(prepared_->scenario.failures.retries);
#ifndef NDEBUG
  o.check_views = true;  // the debug preset rebuilds and compares the cluster state after every event
#endif
  o.elastic = policy.elastic;
  o.feasible = [this](const Demand& d) {
    Allocation a;
    return feasibility_->place(d, empty_, a);
  };
  o.on_decision = [this](bool begin) {
    const auto now = std::chrono::steady_clock::now();
    if (begin) {
      decision_start_ = now;
      return;
    }
    decision_ += now - decision_start_;
    decisions_.add(now - decision_start_);
  };
  return o;
}

RunReport RunParts::run(Controller& controller) {
  RunReport report;
  report.result.seed = request_.seed;
  const auto start = std::chrono::steady_clock::now();
  try {
    const RunOutcome outcome = controller.run();
    if (outcome.status == RunStatus::broken) {
      report.failure = outcome.why;
      return report;
    }
    report.events = outcome.events;
    if (outcome.status == RunStatus::stalled && outcome.ended.ns > kForever.ns / 2)
      report.failure = fmt::format(
          "{} jobs are unfinished after {:.0f} years, which is as far as a run's clock goes: do they lose their work "
          "again and again? `checkpoints.every` keeps it",
          outcome.unfinished, to_seconds(outcome.ended) / 86'400 / 365);
    else if (outcome.status == RunStatus::stalled)
      report.failure = fmt::format("policy `{}` left {} jobs unfinished with nothing that could wake it, at {} s",
                                   request_.policy.name, outcome.unfinished, to_seconds(outcome.ended));
  } catch (const AssertionFailed& e) {
    report.failure = e.what();
    return report;
  } catch (const PolicyFailed& e) {
    report.failure = failure_text(e);
    return report;
  }
  report.wall_s = seconds_since(start);
  report.decision_s = std::chrono::duration<double>(decision_).count();
  report.decision_p50_s = decisions_.quantile_s(0.5);
  report.decision_p99_s = decisions_.quantile_s(0.99);
  report.result.summary = fold.summary();
  report.result.summary.study = study.summary(fold);
  report.result.jct_by_job_s = fold.jct_by_job_s();
  for (std::size_t i = 0; report.result.summary.rejected > 0 && i < fold.job_count(); ++i) {
    const JobId id(static_cast<std::uint32_t>(i));
    const JobRow r = fold.numbers(id);
    if (r.state == JobState::rejected) report.rejected.emplace_back(id, r.rejection);
  }
  report.violations = checker_.count();
  if (!checker_.ok() && report.failure.empty()) {
    const Violation& v = checker_.violations().front();
    report.failure =
        fmt::format("invariant `{}` broken at {} s, job {}: {} ({} in all)", v.rule, to_seconds(v.at),
                    v.job.valid() ? prepared_->workload.specs[v.job.index()].name : "-", v.text, checker_.count());
  }
  return report;
}

RunManifest RunParts::manifest_of(const RunReport& report) const {
  const Prepared& p = *prepared_;
  RunManifest m;
  m.command = request_.command;
  Scenario effective = p.scenario;
  effective.policy = request_.policy;
  m.config_sha256 = config_sha256(effective, p.inputs_sha256);
  m.trace_file = p.scenario.workload.trace;
  m.trace_sha256 = p.trace_sha256;
  m.seed = request_.seed;
  m.policy = request_.policy.name;
  m.placement = placement_of(request_.policy, p.scenario.emulate);
  const bool of_library = is_of_library(request_.policy);
  if (const PolicyInfo* info = of_library ? nullptr : find_policy(request_.policy.name))
    for (const OptionSpec& o : emulated(*info, p.emulation).options) m.policy_options[o.name] = o.default_value;
  for (const auto& [name, value] : request_.policy.options) m.policy_options[name] = value;
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

Expected<std::string> RunParts::write(const RunReport& report) {
  if (!folder_ || !report.failure.empty()) return std::string();  // nothing that looks finished is left behind
  std::string events_sha;
  if (log_) {
    auto closed = log_->close();
    if (!closed) return tl::make_unexpected(std::move(closed.error()));
    events_sha = std::move(*closed);
  }
  Scenario effective = prepared_->scenario;
  effective.policy = request_.policy;
  auto jobs_sha = folder_->write("jobs.csv", [this](const TextSink& sink) { write_jobs_csv(fold, sink); });
  if (!jobs_sha) return tl::make_unexpected(std::move(jobs_sha.error()));
  auto samples_sha =
      folder_->write("samples.csv", [this](const TextSink& sink) { write_samples_csv(fold.samples(), sink); });
  if (!samples_sha) return tl::make_unexpected(std::move(samples_sha.error()));
  if (auto ok = folder_->write("summary.json", summary_json(report.result.summary)); !ok)
    return tl::make_unexpected(std::move(ok.error()));
  if (auto ok = folder_->write("scenario.yaml", effective_yaml(effective)); !ok)
    return tl::make_unexpected(std::move(ok.error()));
  RunManifest manifest = manifest_of(report);
  manifest.result_digest = result_digest(*jobs_sha, *samples_sha, events_sha);
  if (auto ok = folder_->commit(manifest); !ok) return tl::make_unexpected(std::move(ok.error()));
  return manifest.result_digest;
}

}  // namespace orrery::app
