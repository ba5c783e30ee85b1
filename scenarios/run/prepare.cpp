// Makes what can be run out of a scenario: the trace is read or made, sliced, scaled and split into what may be known
// and what is true; an emulation's overrides are applied.
#include <algorithm>

#include <fmt/format.h>

#include "policies/reference/emulations.hpp"
#include "scenarios/run/apply_checkpoints.hpp"
#include "scenarios/run/apply_profiles.hpp"
#include "scenarios/run/input_digest.hpp"
#include "scenarios/run/simulate.hpp"
#include "scenarios/spec/make_policy.hpp"
#include "sim/core/joined.hpp"
#include "sim/observe/log/digest.hpp"
#include "traces/format/capacity.hpp"

namespace orrery::app {
namespace {

// An emulation is a named bundle of switches that reproduces a reference simulator; it overrides what the
// scenario says about overheads and placement, and says so.
Expected<void> apply_emulation(Prepared& p, const Trace& trace) {
  Scenario& s = p.scenario;
  const Emulation* e = find_emulation(s.emulate);
  if (e == nullptr) return {};
  p.emulation = e;
  const std::int64_t launch_s = e->launch.ns / kNsPerSecond;
  p.notes.push_back(
      fmt::format("emulate: {} reproduces that simulator's quirks; it overrides overheads{}, failures, checkpoints "
                  "(none) and policy.placement ({})",
                  e->name, launch_s > 0 ? fmt::format(" ({} s at every launch)", launch_s) : "", e->placement_text));
  s.overheads = OverheadConfig{};
  s.failures = FailureConfig{};
  s.checkpoints = CheckpointConfig{};
  s.publish = PublishConfig{};
  s.policy.placement = placement_of(s.policy, s.emulate);
  s.overheads.launch = e->launch;
  if (!e->counted_text.empty()) p.notes.emplace_back(e->counted_text);
  if (e->work == nullptr) return {};
  for (std::size_t i = 0; i < trace.jobs.size(); ++i) {
    const JobSpec& spec = p.workload.specs[i];
    p.workload.truths[i].work = e->work(trace.jobs[i].iterations, trace.jobs[i].iteration_time);
    if (p.workload.truths[i].work.ns == 0)
      return fail(fmt::format(
          "emulate is `{}`, whose work is iterations x iteration time, but the trace gives none for job `{}`",
          e->name, spec.name));
  }
  return {};
}

// Known outages: those that the scenario lists, and those of a recording of capacity.
Expected<void> collect_outages(Prepared& p) {
  const FailureConfig& f = p.scenario.failures;
  p.outages = f.outages;
  if (f.capacity_resolved.empty()) return {};
  CapacityOf cluster{{}, f.repair};
  for (const NodeGroup& g : p.scenario.cluster.groups)
    cluster.node_gpus.insert(cluster.node_gpus.end(), static_cast<std::size_t>(g.count), g.gpus_per_node);
  const auto recorded = read_outages(f.capacity_resolved, cluster);
  if (!recorded) return tl::make_unexpected(recorded.error());
  p.outages.insert(p.outages.end(), recorded->outages.begin(), recorded->outages.end());
  p.notes.push_back("capacity: " + recorded->about);
  return {};
}

// The trace of the scenario: read from its file, or generated.
Expected<Trace> obtain_trace(const Prepared& p, std::uint64_t seed, std::int64_t gpus, std::string& sha256) {
  const Scenario& s = p.scenario;
  if (s.workload.generate) {
    GenerateSpec spec = *s.workload.generate;
    if (p.catalogue) spec.catalogue = {p.catalogue, &p.catalogue->catalogue};
    spec.device = training_device(s.cluster.groups);
    if (s.performance && s.performance->family == "gavel") spec.throughputs = p.throughputs;
    spec.seed = seed;
    spec.load = s.workload.load;
    spec.cluster_gpus = gpus;
    auto trace = generate(spec);
    if (trace) sha256 = sha256_hex(canonical_text(*trace));
    return trace;
  }
  ReadOptions read;
  read.format = s.workload.format;
  auto trace = read_trace(s.workload.trace_resolved, read);
  if (!trace) return trace;
  auto digest = sha256_file(s.workload.trace_resolved);
  if (!digest) return tl::make_unexpected(std::move(digest.error()));
  sha256 = std::move(*digest);
  if (!p.catalogue) return trace;
  if (auto ok = apply_catalogue(p.catalogue->catalogue, s.live ? SizeName::live : SizeName::cluster,
                                training_device(s.cluster.groups), s.workload.trace, *trace);
      !ok)
    return tl::make_unexpected(std::move(ok.error()));
  sha256 = sha256_hex(canonical_text(*trace));  // what is run depends on the catalogue, too
  return trace;
}

// The scenario's catalogue, null where it has none. What is generated must fit the memory of its GPUs.
Expected<std::shared_ptr<const CatalogueFile>> obtain_catalogue(const Scenario& s) {
  if (s.workload.catalogue_resolved.empty()) return std::shared_ptr<const CatalogueFile>();
  const TrainingDevice device = training_device(s.cluster.groups);
  const bool fits = s.workload.generate && s.workload.generate->size == SizeName::cluster && device.peak_flops > 0;
  return read_catalogue(s.workload.catalogue_resolved, fits ? &device : nullptr);
}

// What a reader of the result must know of how the trace was read, and of jobs that nothing of the cluster can run.
void note_trace(Prepared& p, const Trace& trace) {
  for (const std::string& note : p.import.notes) p.notes.push_back("trace: " + note);
  const auto weighted = [](const TraceJob& j) { return j.weight != 1.0; };
  if (p.scenario.workload.generate && std::any_of(trace.jobs.begin(), trace.jobs.end(), weighted))
    p.notes.push_back("trace: weights are kept, but no policy reads them");
  std::int64_t dropped = 0;
  for (const auto& [reason, rows] : p.import.dropped) dropped += rows;
  if (dropped > 0)
    p.notes.push_back(fmt::format("trace: {} of {} rows dropped (see `orrery trace check`)", dropped, p.import.rows));
  for (const auto& [type, jobs] : absent_types(trace, *p.topology))
    p.notes.push_back(fmt::format("gpu types: {} for `{}`, but the cluster has {}",
                                  jobs == 1 ? "1 job asks" : fmt::format("{} jobs ask", jobs), type,
                                  joined(p.topology->gpu_types(), ", ")));
}

EstimateSource resolve_estimates(const Scenario& s, bool trace_has_estimates) {
  if (s.workload.estimates != EstimateSource::automatic) return s.workload.estimates;
  return trace_has_estimates ? EstimateSource::user : EstimateSource::oracle;
}

// Jobs without an estimate are expected to run for ever; backfilling lets nobody pass a job that waits for such a
// one.
std::string describe(EstimateSource e, const Workload& w, bool saves) {
  const auto without =
      std::count_if(w.specs.begin(), w.specs.end(), [](const JobSpec& s) { return !s.user_estimate; });
  switch (e) {
    case EstimateSource::automatic: return "auto";
    case EstimateSource::user:
      if (without == 0) return "user (the trace's estimates)";
      return fmt::format("user (the trace's estimates; {} of {} jobs have none)", without, w.specs.size());
    case EstimateSource::history: return "history (mean of the tenant's last two jobs)";
    case EstimateSource::oracle:
      return saves ? "oracle (true run times, with what checkpoints take)" : "oracle (true run times)";
    case EstimateSource::none:
      return "none; where nobody knows when a running job ends, easy and conservative let nobody pass who waits for "
             "it";
  }
  return "?";
}

// The load is undefined where everything is submitted at one instant.
std::optional<double> load_of(const Trace& trace, std::int64_t gpus) {
  if (trace.jobs.front().submit == trace.jobs.back().submit) return std::nullopt;
  return offered_load(trace, gpus);
}

// What follows from the trace once it is read and sliced, for a recorded one and for what is drawn from it alike.
Expected<void> apply_trace(Prepared& p, Trace& trace) {
  const Scenario& s = p.scenario;
  if (auto ok = apply_profiles(p, trace); !ok) return ok;
  if (s.workload.load && !s.workload.generate)
    if (auto ok = scale_to_load(trace, *s.workload.load, p.topology->total_gpus()); !ok)
      return fail(fmt::format("workload.load is {}: {}", *s.workload.load, ok.error().items.front().message));
  p.load = load_of(trace, p.topology->total_gpus());
  auto workload = to_workload(trace, *p.topology, s.workload.trace);
  if (!workload) return tl::make_unexpected(std::move(workload.error()));
  p.workload = std::move(*workload);
  if (s.live)
    for (const TraceJob& j : trace.jobs) p.job_lines.push_back(j.line);
  if (p.catalogue)
    if (auto ok = check_parents(p.catalogue->catalogue, p.workload); !ok) return ok;
  if (auto ok = apply_emulation(p, trace); !ok) return ok;
  if (auto ok = apply_checkpoints(p); !ok) return ok;
  if (auto ok = collect_outages(p); !ok) return ok;
  p.estimates = resolve_estimates(s, trace.has_estimates);
  if (s.workload.estimates == EstimateSource::user && !trace.has_estimates)
    return fail("workload.estimates is `user`, but the trace has no estimate column");
  const CheckpointConfig& c = s.checkpoints;
  const bool saves = (c.every.ns > 0 && (c.cost.ns > 0 || c.save)) || s.publish.cost.ns > 0;
  p.notes.push_back(fmt::format("estimates: {}", describe(p.estimates, p.workload, saves)));
  return {};
}

}  // namespace

Expected<Prepared> prepare(Scenario scenario, std::uint64_t seed, Trace* keep) {
  Prepared p;
  p.scenario = std::move(scenario);
  const Scenario& s = p.scenario;
  p.topology = std::make_unique<Topology>(s.cluster.groups);
  auto catalogue = obtain_catalogue(s);
  if (!catalogue) return tl::make_unexpected(std::move(catalogue.error()));
  p.catalogue = *std::move(catalogue);
  auto throughputs = obtain_throughputs(s);
  if (!throughputs) return tl::make_unexpected(std::move(throughputs.error()));
  p.throughputs = *std::move(throughputs);
  auto trace = obtain_trace(p, seed, p.topology->total_gpus(), p.trace_sha256);
  if (!trace) return tl::make_unexpected(std::move(trace.error()));
  p.import = trace->report;
  p.trace_jobs = static_cast<std::int64_t>(trace->jobs.size());
  slice_trace(*trace, s.workload.skip, s.workload.jobs);
  if (trace->jobs.empty())
    return fail(
        fmt::format("workload.slice leaves no jobs: the trace has {}, skip is {}", p.trace_jobs, s.workload.skip));
  if (keep != nullptr) *keep = *trace;
  if (auto ok = apply_trace(p, *trace); !ok) return tl::make_unexpected(std::move(ok.error()));
  auto inputs = inputs_sha256(s);
  if (!inputs) return tl::make_unexpected(std::move(inputs.error()));
  p.inputs_sha256 = *std::move(inputs);
  note_trace(p, *trace);
  return p;
}

Expected<Prepared> prepare_drawn(const Scenario& scenario, const Prepared& like, Trace trace) {
  Prepared p;
  p.scenario = scenario;
  p.topology = std::make_unique<Topology>(scenario.cluster.groups);
  p.catalogue = like.catalogue;
  p.throughputs = like.throughputs;
  if (auto ok = apply_trace(p, trace); !ok) return tl::make_unexpected(std::move(ok.error()));
  return p;
}

}  // namespace orrery::app
