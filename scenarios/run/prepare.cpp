// Makes what can be run out of a scenario, stage by stage: each makes its own part of what is prepared from parts
// that are there already, and changes none of them.
#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "policies/reference/emulations.hpp"
#include "scenarios/run/catalogue_speed.hpp"
#include "scenarios/run/checkpoint_costs.hpp"
#include "scenarios/run/emulated.hpp"
#include "scenarios/run/feature_passes.hpp"
#include "scenarios/run/input_digest.hpp"
#include "scenarios/run/job_bubbles.hpp"
#include "scenarios/run/job_merging.hpp"
#include "scenarios/run/measured_jobs.hpp"
#include "scenarios/run/prepared.hpp"
#include "scenarios/run/profiled_speed.hpp"
#include "scenarios/run/sim_world.hpp"
#include "sim/core/joined.hpp"
#include "sim/observe/log/digest.hpp"
#include "traces/format/capacity.hpp"

namespace orrery::app {
namespace {

// What a scenario describes apart from its jobs.
struct Cluster {
  std::shared_ptr<const CatalogueFile> catalogue{};
  std::shared_ptr<const ThroughputSet> throughputs{};
  std::unique_ptr<Topology> topology{};
};

struct SourceTrace {
  Trace trace;
  std::string sha256;
};

// The scenario's catalogue, null where it has none. What is generated must fit the memory of its GPUs.
Expected<std::shared_ptr<const CatalogueFile>> obtain_catalogue(const Scenario& s) {
  if (s.workload.catalogue_resolved.empty()) return std::shared_ptr<const CatalogueFile>();
  const TrainingDevice device = training_device(s.cluster.groups);
  const bool fits = s.workload.generate && s.workload.generate->size == SizeName::cluster && device.peak_flops > 0;
  return read_catalogue(s.workload.catalogue_resolved, fits ? &device : nullptr);
}

Expected<Cluster> obtain_cluster(const Scenario& s) {
  Cluster c;
  c.topology = std::make_unique<Topology>(s.cluster.groups);
  auto catalogue = obtain_catalogue(s);
  if (!catalogue) return tl::make_unexpected(std::move(catalogue.error()));
  c.catalogue = *std::move(catalogue);
  auto throughputs = obtain_throughputs(s);
  if (!throughputs) return tl::make_unexpected(std::move(throughputs.error()));
  c.throughputs = *std::move(throughputs);
  return c;
}

Expected<SourceTrace> generate_trace(const Scenario& s, const Cluster& c, std::uint64_t seed) {
  GenerateSpec spec = *s.workload.generate;
  if (c.catalogue) spec.catalogue = {c.catalogue, &c.catalogue->catalogue};
  spec.device = training_device(s.cluster.groups);
  if (s.performance && s.performance->family == "gavel") spec.throughputs = c.throughputs;
  spec.seed = seed;
  spec.load = s.workload.load;
  spec.cluster_gpus = c.topology->total_gpus();
  auto trace = generate(spec);
  if (!trace) return tl::make_unexpected(placed(s, "workload.generate", std::move(trace.error())));
  std::string sha256 = sha256_hex(canonical_text(*trace));
  return SourceTrace{*std::move(trace), std::move(sha256)};
}

Expected<SourceTrace> read_source(const Scenario& s, const Cluster& c) {
  ReadOptions read;
  read.format = s.workload.format;
  auto trace = read_trace(s.workload.trace_resolved, read);
  if (!trace) return tl::make_unexpected(std::move(trace.error()));
  auto digest = sha256_file(s.workload.trace_resolved);
  if (!digest) return tl::make_unexpected(std::move(digest.error()));
  if (!c.catalogue) return SourceTrace{*std::move(trace), *std::move(digest)};
  if (auto ok = apply_catalogue(c.catalogue->catalogue, s.live ? SizeName::live : SizeName::cluster,
                                training_device(s.cluster.groups), s.workload.trace, *trace);
      !ok)
    return tl::make_unexpected(std::move(ok.error()));
  std::string sha256 = sha256_hex(canonical_text(*trace));  // what is run depends on the catalogue, too
  return SourceTrace{*std::move(trace), std::move(sha256)};
}

// Known outages: those that the scenario lists, and those of a recording of capacity.
struct KnownOutages {
  std::vector<Outage> all{};
  std::string note{};
};
Expected<KnownOutages> known_outages(const Scenario& s) {
  const FailureConfig& f = s.failures;
  KnownOutages known{f.outages, {}};
  if (f.capacity_resolved.empty()) return known;
  CapacityOf cluster{{}, f.repair};
  for (const NodeGroup& g : s.cluster.groups)
    cluster.node_gpus.insert(cluster.node_gpus.end(), static_cast<std::size_t>(g.count), g.gpus_per_node);
  const auto recorded = read_outages(f.capacity_resolved, cluster);
  if (!recorded) return tl::make_unexpected(recorded.error());
  known.all.insert(known.all.end(), recorded->outages.begin(), recorded->outages.end());
  known.note = "capacity: " + recorded->about;
  return known;
}

Expected<EstimateSource> resolve_estimates(const Scenario& s, bool trace_has_estimates) {
  const EstimateSource wanted = s.workload.estimates;
  if (wanted == EstimateSource::user && !trace_has_estimates)
    return fail("workload.estimates is `user`, but the trace has no estimate column");
  if (wanted != EstimateSource::automatic) return wanted;
  return trace_has_estimates ? EstimateSource::user : EstimateSource::oracle;
}

// Jobs without an estimate are expected to run for ever; backfilling lets nobody pass a job that waits for such a
// one.
std::string describe(EstimateSource e, const Workload& w, const Scenario& s) {
  const CheckpointConfig& c = s.checkpoints;
  const bool saves = (c.every.ns > 0 && (c.cost.ns > 0 || c.save)) || s.publish.cost.ns > 0;
  const auto without =
      std::count_if(w.specs.begin(), w.specs.end(), [](const JobSpec& spec) { return !spec.user_estimate; });
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

// What a reader of the result must know of how the trace was read, and of jobs that nothing of the cluster can run.
std::vector<std::string> trace_notes(const Prepared& p, const Trace& trace) {
  std::vector<std::string> notes;
  for (const std::string& note : p.import.notes) notes.push_back("trace: " + note);
  const auto weighted = [](const TraceJob& j) { return j.weight != 1.0; };
  if (p.scenario.workload.generate && std::any_of(trace.jobs.begin(), trace.jobs.end(), weighted))
    notes.push_back("trace: weights are kept, but only the policy `lineage` reads them");
  std::int64_t dropped = 0;
  for (const auto& [reason, rows] : p.import.dropped) dropped += rows;
  if (dropped > 0)
    notes.push_back(fmt::format("trace: {} of {} rows dropped (see `orrery trace check`)", dropped, p.import.rows));
  for (const auto& [type, jobs] : absent_types(trace, *p.topology))
    notes.push_back(fmt::format("gpu types: {} for `{}`, but the cluster has {}",
                                jobs == 1 ? "1 job asks" : fmt::format("{} jobs ask", jobs), type,
                                joined(p.topology->gpu_types(), ", ")));
  const auto in_phases = [](const TraceJob& j) { return !j.phases.view().empty(); };
  const bool phased = std::any_of(trace.jobs.begin(), trace.jobs.end(), in_phases);
  if (phased && p.scenario.live) notes.push_back("phases: jobs have none in scenarios with `live`, simulated or not");
  if (phased && p.emulation != nullptr) notes.push_back("phases: jobs have none under `emulate`");
  if (p.scenario.bubbles)
    if (const auto why = nothing_fills(p.workload)) notes.push_back("bubbles: " + *why);
  if (const LostParents lost = lost_parents(trace); lost.cells > 0)
    notes.push_back(
        fmt::format("trace: {} left out, of parents that are not in it, such as `{}` of `{}`",
                    lost.cells == 1 ? "1 edge or gain is" : fmt::format("{} edges and gains are", lost.cells),
                    lost.parents.front(), lost.child));
  return notes;
}

// The jobs of a sliced trace, whose run times may follow from profiles and whose arrivals from a load.
Expected<Workload> make_workload(const Scenario& s, const Cluster& c, Trace& trace) {
  if (s.workload.load && !s.workload.generate)
    if (auto ok = scale_to_load(trace, *s.workload.load, c.topology->total_gpus()); !ok)
      return fail(fmt::format("workload.load is {}: {}", *s.workload.load, ok.error().items.front().message));
  auto workload = to_workload(trace, *c.topology, s.workload.trace);
  if (!workload || !c.catalogue) return workload;
  if (auto ok = check_parents(c.catalogue->catalogue, *workload); !ok)
    return tl::make_unexpected(std::move(ok.error()));
  return workload;
}

Expected<ProfiledSpeed> speed_of(const Scenario& s, const Cluster& c, Trace& trace) {
  const Catalogue* catalogue = c.catalogue ? &c.catalogue->catalogue : nullptr;
  if (!s.performance && has_elastic_jobs(s, catalogue, trace))
    return catalogue_speed(s, *c.topology, *catalogue, trace);
  return profiled_speed(s, *c.topology, c.throughputs.get(), trace);
}

// What follows from an effective scenario and a sliced trace, recorded or drawn alike. `trace` is left as it is run.
Expected<Prepared> assemble(Scenario scenario, Cluster cluster, Trace& trace) {
  const Scenario& s = scenario;
  auto speed = speed_of(s, cluster, trace);
  if (!speed) return tl::make_unexpected(std::move(speed.error()));
  auto workload = make_workload(s, cluster, trace);
  if (!workload) return tl::make_unexpected(std::move(workload.error()));
  auto emulated = emulated_work(s, trace, *std::move(workload));
  if (!emulated) return tl::make_unexpected(std::move(emulated.error()));
  share_features(s, cluster.catalogue.get(), *emulated);
  set_merging(s, cluster.catalogue ? &cluster.catalogue->catalogue : nullptr, *emulated);
  set_bubbles(s, *emulated);
  // Live jobs have no phases yet: believing in some would be wrong of their speeds, and a simulation foretells what
  // is to run live (docs/lineage.md). Whoever has some is told (trace_notes).
  if (s.live)
    for (JobSpec& spec : emulated->specs) spec.phases.clear();
  auto costs = checkpoint_costs(s, *cluster.topology, cluster.catalogue.get(), *emulated);
  if (!costs) return tl::make_unexpected(std::move(costs.error()));
  auto outages = known_outages(s);
  if (!outages) return tl::make_unexpected(std::move(outages.error()));
  const auto estimates = resolve_estimates(s, trace.has_estimates);
  if (!estimates) return tl::make_unexpected(estimates.error());
  auto measured = measured_jobs(s.measure, emulated->specs);
  if (!measured) return tl::make_unexpected(placed(s, "measure", std::move(measured.error())));

  Prepared p;
  p.load = load_of(trace, cluster.topology->total_gpus());
  p.notes = std::move(speed->notes);
  const std::vector<std::string> overrides = emulation_notes(s);
  p.notes.insert(p.notes.end(), overrides.begin(), overrides.end());
  if (!outages->note.empty()) p.notes.push_back(outages->note);
  p.notes.push_back(fmt::format("estimates: {}", describe(*estimates, *emulated, s)));
  if (s.live)
    for (const TraceJob& j : trace.jobs) p.job_lines.push_back(j.line);
  p.catalogue = std::move(cluster.catalogue);
  p.throughputs = std::move(cluster.throughputs);
  p.topology = std::move(cluster.topology);
  p.workload = *std::move(emulated);
  p.emulation = find_emulation(scenario.emulate);
  p.estimates = *estimates;
  p.measured = std::move(measured->jobs);
  if (!measured->note.empty()) p.notes.push_back(measured->note);
  p.checkpoint_costs = *std::move(costs);
  p.profiled = std::move(speed->model);
  p.outages = std::move(outages->all);
  p.scenario = std::move(scenario);
  p.unlimited = unlimited_jcts(p);
  return p;
}

}  // namespace

Prepared::Prepared() = default;
Prepared::Prepared(Prepared&&) noexcept = default;
Prepared& Prepared::operator=(Prepared&&) noexcept = default;
Prepared::~Prepared() = default;

const PerformanceModel& Prepared::model() const {
  static const IdealModel ideal;
  if (profiled != nullptr) return *profiled;
  return ideal;
}

Expected<Prepared> prepare(Scenario scenario, std::uint64_t seed, Trace* keep) {
  const Scenario s = effective_scenario(std::move(scenario));
  auto cluster = obtain_cluster(s);
  if (!cluster) return tl::make_unexpected(std::move(cluster.error()));
  auto source = s.workload.generate ? generate_trace(s, *cluster, seed) : read_source(s, *cluster);
  if (!source) return tl::make_unexpected(std::move(source.error()));
  Trace& trace = source->trace;
  const ImportReport import = trace.report;
  const auto trace_jobs = static_cast<std::int64_t>(trace.jobs.size());
  slice_trace(trace, s.workload.skip, s.workload.jobs);
  if (trace.jobs.empty())
    return tl::make_unexpected(
        placed(s, "workload.slice",
               Error(Diagnostic(fmt::format("workload.slice leaves no jobs: the trace has {}, skip is {}", trace_jobs,
                                            s.workload.skip)))));
  if (keep != nullptr) *keep = trace;
  auto p = assemble(s, *std::move(cluster), trace);
  if (!p) return p;
  auto inputs = inputs_sha256(s);
  if (!inputs) return tl::make_unexpected(std::move(inputs.error()));
  p->import = import;
  p->trace_sha256 = std::move(source->sha256);
  p->trace_jobs = trace_jobs;
  p->inputs_sha256 = *std::move(inputs);
  const std::vector<std::string> notes = trace_notes(*p, trace);
  p->notes.insert(p->notes.end(), notes.begin(), notes.end());
  return p;
}

Expected<Prepared> prepare_drawn(const Scenario& scenario, const Prepared& like, Trace trace) {
  Cluster cluster{like.catalogue, like.throughputs, std::make_unique<Topology>(scenario.cluster.groups)};
  return assemble(effective_scenario(scenario), std::move(cluster), trace);
}

}  // namespace orrery::app
