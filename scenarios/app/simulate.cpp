#include "scenarios/app/simulate.hpp"

#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <ctime>

#include "orrery_version.hpp"
#include "policies/parts/placements.hpp"
#include "policies/registry.hpp"
#include "scenarios/app/make_policy.hpp"
#include "scenarios/app/scenario_reader.hpp"
#include "sim/control/history_estimates.hpp"
#include "sim/exec/sim_executor.hpp"
#include "sim/models/emulation.hpp"
#include "sim/observe/digest.hpp"
#include "sim/observe/event_log.hpp"
#include "sim/observe/invariants.hpp"
#include "sim/observe/run_folder.hpp"
#include "sim/observe/tables.hpp"

namespace orrery::app {
namespace {

// Runs above this many jobs write no event log unless asked to.
constexpr std::int64_t kLogByDefaultBelow = 200'000;

OverheadModel overhead_model(const OverheadConfig& config) {
  OverheadModel m;
  m.launch = config.launch;
  m.stop = config.stop;
  m.restart_default = config.restart_constant;
  m.restart_models = config.restart_models;
  if (config.restart == "constant") m.restart = OverheadModel::Restart::constant;
  if (config.restart == "per_model") m.restart = OverheadModel::Restart::per_model;
  return m;
}

// An emulation is a named bundle of switches that reproduces a reference simulator; it overrides what the
// scenario says about overheads and placement, and says so.
void apply_emulation(Prepared& p, const Trace& trace) {
  Scenario& s = p.scenario;
  if (s.emulate == "none") return;
  const std::string placement = s.emulate == "muri" ? "yarn (count under tiresias)" : "count";
  p.notes.push_back(
      fmt::format("emulate: {} reproduces that simulator's quirks; it overrides overheads, failures, checkpoints "
                  "(none) and policy.placement ({})",
                  s.emulate, placement));
  s.overheads = OverheadConfig{};
  s.failures = FailureConfig{};
  s.checkpoints = CheckpointConfig{};
  s.policy.placement = s.emulate == "muri" ? "yarn" : "count";
  if (s.emulate != "muri") return;
  for (std::size_t i = 0; i < trace.jobs.size(); ++i) {
    const JobSpec& spec = p.workload.specs[i];
    p.workload.truths[i].work = muri_work(trace.jobs[i].iterations, trace.jobs[i].iteration_time);
    p.pause_per_event.push_back(muri_pause(spec.model, spec.demand.gpus));
  }
}

// The trace of the scenario: read from its file, or generated.
Expected<Trace> obtain_trace(const Scenario& s, std::uint64_t seed, std::int64_t gpus, std::string& sha256) {
  if (s.workload.generate) {
    PoissonSpec spec = *s.workload.generate;
    spec.seed = seed;
    spec.load = s.workload.load;
    spec.cluster_gpus = gpus;
    Trace trace = generate_poisson(spec);
    sha256 = sha256_hex(canonical_text(trace));
    return trace;
  }
  ReadOptions read;
  read.format = s.workload.format;
  auto trace = read_trace(s.workload.trace_resolved, read);
  if (!trace) return trace;
  auto digest = sha256_file(s.workload.trace_resolved);
  if (!digest) return tl::make_unexpected(std::move(digest.error()));
  sha256 = std::move(*digest);
  return trace;
}

EstimateSource resolve_estimates(const Scenario& s, bool trace_has_estimates) {
  if (s.workload.estimates != EstimateSource::automatic) return s.workload.estimates;
  return trace_has_estimates ? EstimateSource::user : EstimateSource::oracle;
}

const char* describe(EstimateSource e) {
  switch (e) {
    case EstimateSource::automatic: return "auto";
    case EstimateSource::user: return "user (the trace's estimates)";
    case EstimateSource::history: return "history (mean of the tenant's last two jobs)";
    case EstimateSource::oracle: return "oracle (true run times)";
    case EstimateSource::none: return "none";
  }
  return "?";
}

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

}  // namespace

Expected<Prepared> prepare(Scenario scenario, std::uint64_t seed) {
  Prepared p;
  p.scenario = std::move(scenario);
  const Scenario& s = p.scenario;
  p.topology = std::make_unique<Topology>(s.cluster.groups);
  auto trace = obtain_trace(s, seed, p.topology->total_gpus(), p.trace_sha256);
  if (!trace) return tl::make_unexpected(std::move(trace.error()));
  p.import = trace->report;
  p.trace_jobs = static_cast<std::int64_t>(trace->jobs.size());
  slice_trace(*trace, s.workload.skip, s.workload.jobs);
  if (trace->jobs.empty())
    return fail(
        fmt::format("workload.slice leaves no jobs: the trace has {}, skip is {}", p.trace_jobs, s.workload.skip));
  if (s.workload.load && !s.workload.generate) scale_to_load(*trace, *s.workload.load, p.topology->total_gpus());
  p.load = offered_load(*trace, p.topology->total_gpus());
  auto workload = to_workload(*trace, *p.topology, s.workload.trace);
  if (!workload) return tl::make_unexpected(std::move(workload.error()));
  p.workload = std::move(*workload);
  apply_emulation(p, *trace);
  p.estimates = resolve_estimates(s, trace->has_estimates);
  if (s.workload.estimates == EstimateSource::user && !trace->has_estimates)
    return fail("workload.estimates is `user`, but the trace has no estimate column");
  p.notes.push_back(fmt::format("estimates: {}", describe(p.estimates)));
  std::int64_t dropped = 0;
  for (const auto& [reason, rows] : p.import.dropped) dropped += rows;
  if (dropped > 0)
    p.notes.push_back(fmt::format("trace: {} of {} rows dropped (see `orrery trace check`)", dropped, p.import.rows));
  return p;
}

namespace {

// Everything one run needs, so that simulate() reads as its story.
struct Run {
  Run(const Prepared& p, Policy& policy, const std::string& placement_name, std::uint64_t seed)
      : executor(*p.topology, p.workload, model, sim_options(p, seed)),
        source(p.workload.specs, [this, &p](const JobSpec& spec) { return estimate(p, spec); }),
        empty(*p.topology),
        feasibility(make_placement(placement_name, seed)),
        job_table(std::make_shared<JobTable>(table_of(p))),
        node_gpus(gpus_by_node(*p.topology)),
        fold(job_table, node_gpus),
        policy_(&policy) {}

  static SimOptions sim_options(const Prepared& p, std::uint64_t seed) {
    SimOptions o;
    o.failures = {p.scenario.failures.node_mtbf, p.scenario.failures.repair, seed, p.scenario.failures.outages};
    o.checkpoints = {p.scenario.checkpoints.every, p.scenario.checkpoints.cost};
    o.overheads = overhead_model(p.scenario.overheads);
    o.pause_per_event = p.pause_per_event;
    return o;
  }
  static JobTable table_of(const Prepared& p) {
    JobTable table;
    table.reserve(p.workload.specs.size());
    for (const JobSpec& s : p.workload.specs)
      table.push_back(
          {s.name, s.tenant, s.model, std::string(to_string(s.kind)), s.demand.gpus, s.demand.milli_gpus()});
    return table;
  }
  std::optional<Duration> estimate(const Prepared& p, const JobSpec& spec) const {
    switch (p.estimates) {
      case EstimateSource::user: return spec.user_estimate;
      case EstimateSource::history: return history.estimate(spec);
      case EstimateSource::oracle: return Duration{p.workload.truths[spec.id.index()].work.ns};
      default: return std::nullopt;
    }
  }
  ControllerOptions controller_options(const FailureConfig& failures) {
    ControllerOptions o;
    o.retry_budget = static_cast<std::uint32_t>(failures.retries);
#ifndef NDEBUG
    o.check_views = true;  // the debug preset rebuilds and compares the cluster state after every event
#endif
    o.feasible = [this](const Demand& d) {
      Allocation a;
      return feasibility->place(d, empty, a);
    };
    o.on_decision = [this](bool begin) {
      if (begin)
        decision_start = std::chrono::steady_clock::now();
      else
        decision_s += seconds_since(decision_start);
    };
    return o;
  }

  IdealModel model;
  HistoryEstimates history;
  SimExecutor executor;
  JobSource source;
  Inventory empty;
  std::unique_ptr<Placement> feasibility;
  std::shared_ptr<const JobTable> job_table;
  std::vector<std::int32_t> node_gpus;
  MetricsFold fold;
  std::chrono::steady_clock::time_point decision_start;
  double decision_s = 0;
  Policy* policy_;
};

RunManifest manifest_of(const Prepared& p, const RunRequest& request, const RunReport& report) {
  RunManifest m;
  m.command = request.command;
  Scenario effective = p.scenario;
  effective.policy = request.policy;
  m.config_sha256 = sha256_hex(config_digest_text(effective));
  m.trace_file = p.scenario.workload.trace;
  m.trace_sha256 = p.trace_sha256;
  m.seed = request.seed;
  m.policy = request.policy.name;
  m.placement = placement_of(request.policy, p.scenario.emulate);
  if (const PolicyInfo* info = find_policy(request.policy.name))
    for (const OptionSpec& o : info->options) m.policy_options[o.name] = o.default_value;
  for (const auto& [name, value] : request.policy.options) m.policy_options[name] = value;
  m.versions = {kVersion, kCommit, kCompiler, kBuildType};
  m.summary = report.result.summary;
  m.measured.host = host_name();
  m.measured.date = utc_now();
  m.measured.wall_s = report.wall_s;
  m.measured.decision_s = report.decision_s;
  m.measured.events = report.events;
  m.measured.peak_rss_bytes = peak_rss_bytes();
  return m;
}

}  // namespace

Expected<RunReport> simulate(const Prepared& prepared, const RunRequest& request) {
  set_assertion_seed(request.seed);
  auto policy = make_policy(request.policy, prepared.scenario.emulate, request.seed);
  if (!policy) return tl::make_unexpected(std::move(policy.error()));
  Run run(prepared, **policy, placement_of(request.policy, prepared.scenario.emulate), request.seed);

  std::optional<RunFolder> folder;
  if (request.folder) {
    auto made = RunFolder::create(*request.folder);
    if (!made) return tl::make_unexpected(std::move(made.error()));
    folder.emplace(std::move(*made));
  }
  const Scenario& s = prepared.scenario;
  const bool small = static_cast<std::int64_t>(prepared.workload.specs.size()) < kLogByDefaultBelow;
  const bool logs = folder && (s.log_events.value_or(small));
  std::optional<EventLog> log;
  if (logs) log.emplace(run.job_table, run.node_gpus, EventLogOptions{folder->path("events.jsonl.zst")});
  InvariantOptions invariants;
  if (prepared.pause_per_event.empty()) {
    invariants.true_work = [&prepared](JobId id) -> std::optional<Work> {
      return prepared.workload.truths[id.index()].work;
    };
  }
  InvariantChecker checker(invariants);

  std::vector<Observer*> observers{&run.fold};
  if (prepared.estimates == EstimateSource::history) observers.push_back(&run.history);
  if (s.check) observers.push_back(&checker);
  if (log) observers.push_back(&*log);

  RunReport report;
  report.result.seed = request.seed;
  const auto start = std::chrono::steady_clock::now();
  Controller controller(run.executor, **policy, run.source, prepared.workload.specs, prepared.workload.demands,
                        run.model, run.controller_options(s.failures), observers);
  try {
    const RunOutcome outcome = controller.run();
    report.events = outcome.events;
    if (outcome.status == RunStatus::stalled)
      report.failure = fmt::format("policy `{}` left {} jobs unfinished with nothing that could wake it, at {} s",
                                   request.policy.name, outcome.unfinished, to_seconds(outcome.ended));
  } catch (const AssertionFailed& e) {
    report.failure = e.what();
    return report;
  }
  report.wall_s = seconds_since(start);
  report.decision_s = run.decision_s;
  report.result.summary = run.fold.summary();
  report.result.jct_by_job_s = run.fold.jct_by_job_s();
  report.violations = checker.count();
  if (!checker.ok() && report.failure.empty()) {
    const Violation& v = checker.violations().front();
    report.failure =
        fmt::format("invariant `{}` broken at {} s, job {}: {} ({} in all)", v.rule, to_seconds(v.at),
                    v.job.valid() ? prepared.workload.specs[v.job.index()].name : "-", v.text, checker.count());
  }
  if (!folder) return report;

  std::string events_sha;
  if (log) {
    auto closed = log->close();
    if (!closed) return tl::make_unexpected(std::move(closed.error()));
    events_sha = std::move(*closed);
  }
  Scenario effective = s;
  effective.policy = request.policy;
  auto jobs_sha = folder->write("jobs.csv", [&run](const TextSink& sink) { write_jobs_csv(run.fold, sink); });
  if (!jobs_sha) return tl::make_unexpected(std::move(jobs_sha.error()));
  auto samples_sha =
      folder->write("samples.csv", [&run](const TextSink& sink) { write_samples_csv(run.fold.samples(), sink); });
  if (!samples_sha) return tl::make_unexpected(std::move(samples_sha.error()));
  if (auto ok = folder->write("summary.json", summary_json(report.result.summary)); !ok)
    return tl::make_unexpected(std::move(ok.error()));
  if (auto ok = folder->write("scenario.yaml", effective_yaml(effective)); !ok)
    return tl::make_unexpected(std::move(ok.error()));
  RunManifest manifest = manifest_of(prepared, request, report);
  manifest.result_digest = report.result_digest = result_digest(*jobs_sha, *samples_sha, events_sha);
  if (!report.failure.empty()) return report;  // nothing that looks finished is left behind
  if (auto ok = folder->commit(manifest); !ok) return tl::make_unexpected(std::move(ok.error()));
  return report;
}

}  // namespace orrery::app
