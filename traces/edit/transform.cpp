// What is done to a trace before it is run: a slice of it, arrivals scaled to a load, and its rows turned into specs
// (what may be known) and truths (what only executors know).
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <unordered_map>
#include <unordered_set>

#include "sim/core/quantity.hpp"
#include "sim/models/lifecycle/transfer.hpp"
#include "traces/format/canonical.hpp"
#include "traces/format/formats.hpp"
#include "traces/format/lineage_cells.hpp"
#include "traces/format/phase_cells.hpp"

namespace orrery {
namespace {

// The bit of "a type this cluster has not": matches no node.
constexpr GpuTypeMask kAbsentType = GpuTypeMask{1} << 31;

JobKind kind_of(const std::string& text) {
  for (const JobKind k : {JobKind::pretrain, JobKind::transfer, JobKind::eval, JobKind::hpo})
    if (to_string(k) == text) return k;
  return JobKind::unknown;
}

using IdByName = std::unordered_map<std::string_view, JobId>;

// The edges and gains of a row, as far as their parents are there; false where a cell is malformed.
bool read_lineage(const TraceJob& row, const IdByName& ids, JobSpec& spec, JobTruth& truth) {
  for (std::string_view rest = row.gain; !rest.empty();) {
    const auto g = parse_gain(next_item(rest));
    if (!g) return false;
    if (const auto it = ids.find(g->parent); it != ids.end())
      truth.sources.push_back({it->second, g->gain_per_mille});
  }
  for (std::string_view rest = row.after; !rest.empty();) {
    const auto e = parse_edge(next_item(rest));
    if (!e) return false;
    if (const auto it = ids.find(e->parent); it != ids.end())
      spec.after.push_back({it->second, e->hard, e->progress_per_mille});
  }
  return true;
}

// The names of "A100|V100"; blanks around them do not count.
std::vector<std::string> split_types(const std::string& types) {
  std::vector<std::string> names;
  std::size_t from = 0;
  while (from <= types.size() && !types.empty()) {
    const std::size_t bar = std::min(types.find('|', from), types.size());
    const std::string name = types.substr(from, bar - from);
    const std::size_t first = std::min(name.find_first_not_of(" \t"), name.size());
    names.push_back(name.substr(first, name.find_last_not_of(" \t") + 1 - first));
    from = bar + 1;
  }
  return names;
}

// True when the edges contain a cycle; `at` is then a job on one.
bool has_cycle(const std::vector<JobSpec>& specs, std::size_t& at) {
  std::vector<std::uint32_t> parents_left(specs.size(), 0);
  std::vector<std::vector<std::uint32_t>> children(specs.size());
  for (const JobSpec& s : specs)
    for (const Dependency& d : s.after) {
      ++parents_left[s.id.index()];
      children[d.parent.index()].push_back(s.id.value);
    }
  std::vector<std::uint32_t> ready;
  for (const JobSpec& s : specs)
    if (parents_left[s.id.index()] == 0) ready.push_back(s.id.value);
  for (std::size_t i = 0; i < ready.size(); ++i)
    for (const std::uint32_t child : children[ready[i]])
      if (--parents_left[child] == 0) ready.push_back(child);
  if (ready.size() == specs.size()) return false;
  at = static_cast<std::size_t>(
      std::find_if(parents_left.begin(), parents_left.end(), [](std::uint32_t n) { return n > 0; }) -
      parents_left.begin());
  return true;
}

}  // namespace

GpuTypeMask type_mask(const std::string& types, const Topology& topology) {
  GpuTypeMask mask = 0;
  for (const std::string& name : split_types(types)) {
    const GpuTypeMask bit = topology.type_bit(name);
    mask |= bit != 0 ? bit : kAbsentType;
  }
  return mask;
}

std::map<std::string, std::int64_t> absent_types(const Trace& trace, const Topology& topology) {
  std::map<std::string, std::int64_t> absent;
  for (const TraceJob& j : trace.jobs) {
    if (j.gpus == 0 || j.gpu_type.empty() || (type_mask(j.gpu_type, topology) & ~kAbsentType) != 0) continue;
    ++absent[j.gpu_type];
  }
  return absent;
}

LostParents lost_parents(const Trace& trace) {
  LostParents lost;
  std::unordered_set<std::string_view> names, seen;
  const auto miss = [&](const TraceJob& j, const auto& item) {
    if (!item) return;
    if (names.empty())
      for (const TraceJob& k : trace.jobs) names.insert(k.job_id);
    if (names.count(item->parent) > 0) return;
    if (lost.cells++ == 0) lost.child = j.job_id;
    if (seen.insert(item->parent).second) lost.parents.emplace_back(item->parent);
  };
  for (const TraceJob& j : trace.jobs) {
    for (std::string_view rest = j.after; !rest.empty();) miss(j, parse_edge(next_item(rest)));
    for (std::string_view rest = j.gain; !rest.empty();) miss(j, parse_gain(next_item(rest)));
  }
  return lost;
}

void slice_trace(Trace& trace, std::int64_t skip, std::int64_t jobs) {
  const auto size = static_cast<std::int64_t>(trace.jobs.size());
  const std::int64_t first = std::min(skip, size);
  const std::int64_t last = jobs < 0 ? size : std::min(size, first + jobs);
  trace.jobs.erase(trace.jobs.begin() + last, trace.jobs.end());
  trace.jobs.erase(trace.jobs.begin(), trace.jobs.begin() + first);
  if (trace.jobs.empty() || (skip == 0)) return;
  const Duration zero = trace.jobs.front().submit - Time{};
  for (TraceJob& j : trace.jobs) {
    j.submit = j.submit - zero;
    if (j.deadline) j.deadline = *j.deadline - zero;
  }
}

double offered_load(const Trace& trace, std::int64_t cluster_gpus) {
  if (trace.jobs.empty() || cluster_gpus == 0) return 0;
  const Duration span = trace.jobs.back().submit - trace.jobs.front().submit;
  if (span.ns == 0) return 0;
  Int128 milli_gpu_ns = 0;
  for (const TraceJob& j : trace.jobs)
    milli_gpu_ns += Int128{j.duration.ns} * j.gpus * j.gpu_milli.value_or(kMilliPerGpu);
  return static_cast<double>(milli_gpu_ns) / 1000.0 /
         (static_cast<double>(cluster_gpus) * static_cast<double>(span.ns));
}

Expected<void> scale_to_load(Trace& trace, double load, std::int64_t cluster_gpus) {
  const double now = offered_load(trace, cluster_gpus);
  if (now <= 0)
    return fail(
        "the trace has no load to scale: all its jobs are submitted at once, need no GPU, or have no run time of "
        "their own");
  // One multiplication and one rounding per job: the order of submits cannot change.
  const double factor = now / load;
  const Duration span = trace.jobs.back().submit - trace.jobs.front().submit;
  if (!(static_cast<double>(span.ns) * factor <= static_cast<double>(kMaxTraceNs)))
    return fail("at so small a load the trace would last more than 73 years");
  const Time zero = trace.jobs.front().submit;
  for (TraceJob& j : trace.jobs) {
    const Time before = j.submit;
    j.submit = zero + Duration{std::llround(static_cast<double>((j.submit - zero).ns) * factor)};
    if (j.deadline) j.deadline = *j.deadline + (j.submit - before);
  }
  return {};
}

Expected<Workload> edges_of(const Trace& trace, const std::string& file) {
  NodeGroup any;
  any.count = 1;
  any.gpus_per_node = 1;
  Trace timed = trace;
  for (TraceJob& j : timed.jobs)
    if (j.duration.ns <= 0) j.duration = Duration{1};
  return to_workload(timed, Topology({any}), file);
}

Expected<Workload> to_workload(const Trace& trace, const Topology& topology, const std::string& file) {
  Workload w;
  w.specs.reserve(trace.jobs.size());
  w.truths.reserve(trace.jobs.size());
  const bool edges =
      std::any_of(trace.jobs.begin(), trace.jobs.end(), [](const TraceJob& j) { return !j.after.empty(); });
  IdByName ids;
  if (edges)
    for (std::size_t i = 0; i < trace.jobs.size(); ++i)
      ids.emplace(trace.jobs[i].job_id, JobId(static_cast<std::uint32_t>(i)));
  std::vector<Diagnostic> errors;
  for (const TraceJob& j : trace.jobs) {
    JobSpec& s = w.specs.emplace_back();
    s.id = JobId(static_cast<std::uint32_t>(w.specs.size() - 1));
    s.name = j.job_id;
    s.submit = j.submit;
    s.demand.gpus = j.gpus;
    s.demand.milli_per_gpu = j.gpu_milli.value_or(kMilliPerGpu);
    s.demand.cpu_milli = j.cpu_milli;
    s.demand.mem_bytes = j.mem_bytes;
    s.demand.gpu_types = type_mask(j.gpu_type, topology);
    s.demand.mig_slices = j.mig_slices;
    s.demand_class = w.demands.intern(s.demand);
    s.min_gpus = j.min_gpus.value_or(j.gpus);
    s.max_gpus = j.max_gpus.value_or(j.gpus);
    s.tenant = j.tenant;
    s.kind = kind_of(j.kind);
    s.model = j.model;
    s.dataset = j.dataset;
    s.user_estimate = j.estimate;
    s.deadline = j.deadline;
    s.weight = j.weight;
    s.batch = j.batch;
    s.tflop = j.tflop;
    s.vcluster = j.vcluster;
    s.market = j.market;
    s.bid_micro_per_h = j.bid_micro_per_h;
    s.speed_class = j.speed_class;
    s.cpu_sensitivity_per_mille = j.cpu_sensitivity_per_mille;
    s.mem_sensitivity_per_mille = j.mem_sensitivity_per_mille;
    if (auto phases = parse_phases(j.phases)) {
      s.phases = *std::move(phases);
    } else if (errors.size() < kMostErrors) {
      Diagnostic bad{fmt::format("`phases` of job `{}` {}", j.job_id, why_no_phases(j.phases)), {file, j.line, 0}};
      bad.hint = std::string(kPhasesForm);
      errors.push_back(std::move(bad));
    }
    JobTruth truth{Work{j.duration.ns}, {}, j.epochs};
    if (!read_lineage(j, ids, s, truth))
      for (const NamingColumn& c : naming_columns())
        if (const auto item = malformed_item(c, j.*c.cell); item && errors.size() < kMostErrors)
          errors.push_back(malformed(c, j, *item, file));
    for (const NamingColumn& c : naming_columns())
      if (const auto parent = repeated_parent(c, j.*c.cell); parent && errors.size() < kMostErrors) {
        Diagnostic bad{fmt::format("`{}` of job `{}` names `{}` twice", c.name, j.job_id, *parent),
                       {file, j.line, 0}};
        bad.hint = "each parent has one item";
        errors.push_back(std::move(bad));
      }
    if (j.duration.ns <= 0 && errors.size() < 20) {
      Diagnostic bad{fmt::format("job `{}` has no run time", j.job_id)};
      bad.where = {file, j.line, 0};
      bad.hint =
          fmt::format("it follows from the profile of `{}`: name `performance.profiles` in the scenario", j.model);
      errors.push_back(std::move(bad));
    }
    w.truths.push_back(std::move(truth));
  }
  std::size_t at = 0;
  if (edges && errors.empty() && has_cycle(w.specs, at)) {
    Diagnostic d{fmt::format("job `{}` waits for itself: its `after` edges form a cycle", w.specs[at].name)};
    d.where = {file, trace.jobs[at].line, 0};
    errors.push_back(std::move(d));
  }
  if (!errors.empty()) return tl::make_unexpected(Error(std::move(errors)));
  return w;
}

}  // namespace orrery
