#include "scenarios/run/profiled_speed.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "policies/reference/emulations.hpp"
#include "sim/core/joined.hpp"
#include "sim/core/names.hpp"
#include "sim/models/speed/profiled_model.hpp"
#include "sim/models/speed/throughputs.hpp"
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
bool is_profile_table(const std::string& family) {
  return family == "gavel" || family == "lucid" || family == "calibrated";
}

// A family of profiles that have tables by type of GPU.
struct TypedProfiles {
  Expected<ProfileSet> (*read)(const std::string& folder, const std::string& hardware);
  std::vector<std::string> (*hardware)(const std::string& folder);
  std::string (*table)(const std::string& folder, const std::string& application, const std::string& hardware);
};
constexpr TypedProfiles kPollux{read_pollux_profiles, pollux_hardware, pollux_table};
constexpr TypedProfiles kTitan{read_titan_profiles, titan_hardware, titan_table};

bool has_gpus(const std::vector<NodeGroup>& groups, const std::string& type) {
  return std::any_of(groups.begin(), groups.end(),
                     [&type](const NodeGroup& g) { return same_name(g.gpu, type) && g.gpus_per_node > 0; });
}

// What the tables of each of the cluster's types are called: as the scenario maps it; else as the type itself; else
// the one name that the scenario gives for types without tables of their own. Empty for types without GPUs.
Expected<std::vector<std::string>> hardware_by_type(const Scenario& s, const Topology& topology,
                                                    const std::vector<std::string>& known) {
  const PerformanceConfig& c = *s.performance;
  std::vector<Diagnostic> errors;
  std::vector<std::string> hardware;
  for (const std::string& type : topology.gpu_types()) {
    hardware.emplace_back();
    if (!has_gpus(s.cluster.groups, type)) continue;
    const auto mapped = std::find_if(c.tables.begin(), c.tables.end(),
                                     [&type](const auto& table) { return same_name(table.first, type); });
    const bool own = find_name(known, type) < known.size();
    const std::string named = mapped != c.tables.end() ? mapped->second : own ? type : c.hardware;
    const std::size_t table = find_name(known, named);
    hardware.back() = table < known.size() ? known[table] : named;
    if (table < known.size()) continue;
    const bool unnamed = hardware.back().empty();
    Diagnostic d{unnamed ? fmt::format("{} has no tables for GPUs of type `{}`", c.profiles_resolved, type)
                         : fmt::format("{} has no tables called `{}`, for GPUs of type `{}`", c.profiles_resolved,
                                       hardware.back(), type)};
    const std::string_view near = closest(unnamed ? type : hardware.back(), {known.begin(), known.end()});
    d.hint = near.empty() || unnamed
                 ? fmt::format("write `performance: {{ hardware: {{ {}: {} }} }}` to take these for it", type,
                               near.empty() ? known.empty() ? "NAME" : known.front() : near)
                 : fmt::format("did you mean `{}`?", near);
    d.notes.push_back(fmt::format("tables: {}", joined(known, ", ")));
    errors.push_back(std::move(d));
  }
  if (!errors.empty()) return tl::make_unexpected(Error(std::move(errors)));
  return hardware;
}

// All profiles that the types take, each once.
Expected<ProfileSet> read_all(const TypedProfiles& family, const std::string& folder,
                              std::vector<std::string> hardware) {
  std::sort(hardware.begin(), hardware.end());
  hardware.erase(std::unique(hardware.begin(), hardware.end()), hardware.end());
  ProfileSet all;
  for (const std::string& name : hardware) {
    if (name.empty()) continue;
    auto some = family.read(folder, name);
    if (!some) return some;
    std::move(some->begin(), some->end(), std::back_inserter(all));
  }
  return all;
}

// Names the file that an application lacks which was measured, but not on every type that a job may use.
Expected<void> check_tables(const ProfileSet& profiles, const TypedProfiles& family, const Scenario& s,
                            const Topology& topology, const std::vector<std::string>& hardware, const TraceJob& j) {
  const std::string model = j.model.substr(0, j.model.find('@'));
  const auto is = [&](const ApplicationProfile& a) { return a.name == model; };
  if (std::none_of(profiles.begin(), profiles.end(), is)) return {};  // the model says so, with suggestions
  const GpuTypeMask types = type_mask(j.gpu_type, topology);
  for (std::size_t t = 0; t < hardware.size(); ++t) {
    if (hardware[t].empty() || (types != 0 && (types >> t & 1U) == 0)) continue;
    if (std::any_of(profiles.begin(), profiles.end(),
                    [&](const ApplicationProfile& a) { return is(a) && a.hardware == hardware[t]; }))
      continue;
    const std::string& type = topology.gpu_types()[t];
    Diagnostic d{fmt::format("job `{}`: `{}` was not measured on GPUs of type `{}`: there is no {}", j.job_id, model,
                             type, family.table(s.performance->profiles_resolved, model, hardware[t]))};
    d.hint = fmt::format(
        "write `performance: {{ hardware: {{ {}: NAME }} }}` to take another type's tables for it, or keep the job "
        "off it by the trace's `gpu_type`",
        type);
    return fail(std::move(d));
  }
  return {};
}

// Which tables a cluster of several types takes, and a name in the scenario that none of them needs.
void note_hardware(const Scenario& s, const Topology& topology, const std::vector<std::string>& hardware,
                   std::vector<std::string>& notes) {
  std::vector<std::string> taken;
  for (std::size_t t = 0; t < hardware.size(); ++t)
    if (!hardware[t].empty()) taken.push_back(fmt::format("{} as {}", topology.gpu_types()[t], hardware[t]));
  if (taken.size() > 1)
    notes.push_back(fmt::format("profiles: {}; work is counted on the first type of the cluster that a job may use",
                                joined(taken, ", ")));
  const std::string& named = s.performance->hardware;
  if (!named.empty() && find_name(hardware, named) == hardware.size())
    notes.push_back(fmt::format("performance.hardware: `{}` is not used, every GPU type has tables of its own ({})",
                                named, joined(taken, ", ")));
}

// Applications whose step times were measured by placement and batch (Pollux, Sia, TitanSched).
Expected<ProfiledSpeed> application_speed(const Scenario& s, const Topology& topology, Trace& trace) {
  const PerformanceConfig& c = *s.performance;
  ProfiledSpeed out;
  const TypedProfiles& family = c.family == "titan" ? kTitan : kPollux;
  const auto hardware = hardware_by_type(s, topology, family.hardware(c.profiles_resolved));
  if (!hardware) return tl::make_unexpected(hardware.error());
  auto profiles = read_all(family, c.profiles_resolved, *hardware);
  if (!profiles) return tl::make_unexpected(std::move(profiles.error()));
  auto ok = add_jobs(s, trace,
                     [&](const TraceJob& j) { return check_tables(*profiles, family, s, topology, *hardware, j); });
  if (!ok) return tl::make_unexpected(std::move(ok.error()));
  // TitanSched reads its memory tables but never asks them: its limit is the largest local batch it measured.
  if (s.emulate == "none")
    limit_memory(*profiles, trace, c.gpu_memory);
  else if (c.gpu_memory > 0)
    out.notes.push_back("performance.gpu_memory: no limit under emulate, as in that simulator");
  const Emulation* e = find_emulation(s.emulate);
  const Belief* belief = e == nullptr ? nullptr : e->belief;
  auto model = ProfiledModel::compile(std::move(*profiles), topology, *hardware, belief);
  if (!model) return tl::make_unexpected(std::move(model.error()));
  const bool clamp = c.clamp || belief != nullptr;  // as those simulators do
  ok = add_jobs(s, trace, [&](TraceJob& j) -> Expected<void> {
    auto added = (*model)->add({j.model, j.batch, j.gpus, static_cast<double>(j.samples)}, clamp,
                               type_mask(j.gpu_type, topology));
    if (!added) return added;
    j.duration = (*model)->reference_time();
    if (!j.min_gpus) j.min_gpus = (*model)->least_gpus();
    if (!j.max_gpus) j.max_gpus = (*model)->most_gpus();
    return {};
  });
  if (!ok) return tl::make_unexpected(std::move(ok.error()));
  note_hardware(s, topology, *hardware, out.notes);
  out.model = std::move(*model);
  return out;
}

// Steps per second of whole configurations, alone and beside others (Gavel, Lucid, our own calibration).
Expected<ProfiledSpeed> throughput_speed(const Scenario& s, const Topology& topology, const ThroughputSet& table,
                                         Trace& trace) {
  const PerformanceConfig& c = *s.performance;
  auto model = ThroughputModel::compile(table, topology, c.hardware);
  if (!model) return tl::make_unexpected(std::move(model.error()));
  auto ok = add_jobs(s, trace, [&](TraceJob& j) -> Expected<void> {
    auto added = (*model)->add({{j.model, j.kind, j.batch, std::max(1, j.gpus)}, j.iterations},
                               type_mask(j.gpu_type, topology), c.clamp);
    if (!added) return added;
    if (j.iterations > 0) j.duration = (*model)->reference_time();
    if (j.duration.ns > 0) return {};
    return fail(fmt::format("job `{}` has neither steps nor a run time", j.job_id));
  });
  if (!ok) return tl::make_unexpected(std::move(ok.error()));
  return ProfiledSpeed{std::move(*model), {}};
}

}  // namespace

Expected<std::shared_ptr<const ThroughputSet>> obtain_throughputs(const Scenario& s) {
  if (!s.performance || !is_profile_table(s.performance->family)) return std::shared_ptr<const ThroughputSet>();
  const PerformanceConfig& c = *s.performance;
  auto table = c.family == "gavel"   ? read_gavel_throughputs(c.profiles_resolved)
               : c.family == "lucid" ? read_lucid_colocation(c.profiles_resolved, c.hardware)
                                     : read_calibrated_throughputs(c.profiles_resolved);
  if (!table) return tl::make_unexpected(std::move(table.error()));
  return std::make_shared<const ThroughputSet>(*std::move(table));
}

Expected<ProfiledSpeed> profiled_speed(const Scenario& s, const Topology& topology, const ThroughputSet* table,
                                       Trace& trace) {
  if (!s.performance) return ProfiledSpeed{};
  if (is_profile_table(s.performance->family)) return throughput_speed(s, topology, *table, trace);
  return application_speed(s, topology, trace);
}

}  // namespace orrery::app
