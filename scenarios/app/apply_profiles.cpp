#include "scenarios/app/apply_profiles.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "sim/models/profiled_model.hpp"
#include "sim/models/throughputs.hpp"
#include "traces/profiles/profiles.hpp"

namespace orrery::app {
namespace {

// Adds the jobs one by one; what is wrong with a job is said of its row of the trace, at most twenty times.
template <class Add>
Expected<void> add_jobs(const Scenario& s, Trace& trace, Add add) {
  std::vector<Diagnostic> errors;
  for (TraceJob& j : trace.jobs) {
    const Expected<void> ok = add(j);
    if (ok) continue;
    Diagnostic d = ok.error().items.front();
    d.where = {s.workload.trace, j.line, 0};
    errors.push_back(std::move(d));
    if (errors.size() == 20) break;
  }
  if (!errors.empty()) return tl::make_unexpected(Error(std::move(errors)));
  return {};
}

// Of the applications that jobs are of: what none trains need not fit.
void limit_memory(ProfileSet& profiles, const Trace& trace, std::int64_t gpu_bytes) {
  for (ApplicationProfile& a : profiles) {
    const auto of_it = [&a](const TraceJob& j) { return j.model.substr(0, j.model.find('@')) == a.name; };
    if (std::any_of(trace.jobs.begin(), trace.jobs.end(), of_it))
      a.gpu_gib = static_cast<double>(gpu_bytes) / static_cast<double>(std::int64_t{1} << 30U);
  }
}

// Families of profiles that are tables of throughputs; the others are of applications.
bool is_table(const std::string& family) { return family == "gavel" || family == "lucid" || family == "calibrated"; }

// Applications whose step times were measured by placement and batch (Pollux, Sia, TitanSched).
Expected<void> apply_applications(Prepared& p, Trace& trace) {
  const Scenario& s = p.scenario;
  const PerformanceConfig& c = *s.performance;
  auto profiles = c.family == "titan" ? read_titan_profiles(c.profiles_resolved, c.hardware)
                                      : read_pollux_profiles(c.profiles_resolved, c.hardware);
  if (!profiles) return tl::make_unexpected(std::move(profiles.error()));
  // TitanSched reads its memory tables but never asks them: its limit is the largest local batch it measured.
  if (s.emulate == "none")
    limit_memory(*profiles, trace, c.gpu_memory);
  else if (c.gpu_memory > 0)
    p.notes.push_back("performance.gpu_memory: no limit under emulate, as in that simulator");
  int widest = 0;
  for (const NodeGroup& g : s.cluster.groups) widest = std::max(widest, g.gpus_per_node);
  const ProfileBelief belief = s.emulate == "pollux"  ? ProfileBelief::pollux
                               : s.emulate == "titan" ? ProfileBelief::titan
                                                      : ProfileBelief::consistent;
  auto model = ProfiledModel::compile(std::move(*profiles), widest, belief);
  if (!model) return tl::make_unexpected(std::move(model.error()));
  auto ok = add_jobs(s, trace, [&](TraceJob& j) -> Expected<void> {
    auto added = (*model)->add({j.model, j.batch, j.gpus, static_cast<double>(j.samples)}, c.clamp);
    if (!added) return added;
    j.duration = (*model)->reference_time();
    if (!j.min_gpus) j.min_gpus = 1;
    if (!j.max_gpus) j.max_gpus = (*model)->most_gpus();
    return {};
  });
  if (ok) p.profiled = std::move(*model);
  return ok;
}

// Steps per second of whole configurations, alone and beside others (Gavel, Lucid, our own calibration).
Expected<void> apply_throughputs(Prepared& p, Trace& trace) {
  const Scenario& s = p.scenario;
  const PerformanceConfig& c = *s.performance;
  auto model = ThroughputModel::compile(*p.throughputs, *p.topology, c.hardware);
  if (!model) return tl::make_unexpected(std::move(model.error()));
  auto ok = add_jobs(s, trace, [&](TraceJob& j) -> Expected<void> {
    auto added = (*model)->add({{j.model, j.kind, j.batch, std::max(1, j.gpus)}, j.iterations},
                               type_mask(j.gpu_type, *p.topology), c.clamp);
    if (!added) return added;
    if (j.iterations > 0) j.duration = (*model)->reference_time();
    if (j.duration.ns > 0) return {};
    return fail(fmt::format("job `{}` has neither steps nor a run time", j.job_id));
  });
  if (ok) p.profiled = std::move(*model);
  return ok;
}

}  // namespace

Expected<std::shared_ptr<const ThroughputSet>> obtain_throughputs(const Scenario& s) {
  if (!s.performance || !is_table(s.performance->family)) return std::shared_ptr<const ThroughputSet>();
  const PerformanceConfig& c = *s.performance;
  auto table = c.family == "gavel"   ? read_gavel_throughputs(c.profiles_resolved)
               : c.family == "lucid" ? read_lucid_colocation(c.profiles_resolved, c.hardware)
                                     : read_calibrated_throughputs(c.profiles_resolved);
  if (!table) return tl::make_unexpected(std::move(table.error()));
  return std::make_shared<const ThroughputSet>(*std::move(table));
}

Expected<void> apply_profiles(Prepared& p, Trace& trace) {
  if (!p.scenario.performance) return {};
  return is_table(p.scenario.performance->family) ? apply_throughputs(p, trace) : apply_applications(p, trace);
}

}  // namespace orrery::app
