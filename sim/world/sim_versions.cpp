#include "sim/world/sim_versions.hpp"

#include <algorithm>

namespace orrery {
namespace {

std::int32_t newest(const std::vector<std::int32_t>& versions) {
  return versions.empty() ? 0 : versions.back();
}

}  // namespace

StartsFrom SimVersions::inherit(SimGang& g, const RunConfig& config) const {
  if (g.done.ns != 0) return {};
  const JobTruth& truth = workload_->truths[g.job.index()];
  const JobSpec& spec = workload_->specs[g.job.index()];
  g.total = truth.work;
  g.heir_of = g.source = JobId{};
  g.assessed = false;
  g.spared = {};
  if (versions_.empty() || config.start_version == kFromBase) return {};
  for (const Dependency& d : spec.after) {
    if (config.start_parent.valid() && config.start_parent != d.parent) continue;
    const std::vector<std::int32_t>& all = versions_[d.parent.index()];
    if (all.empty()) continue;
    const bool newest = config.start_version == 0 || config.start_version > all.size();
    const StartsFrom from{d.parent, newest ? static_cast<std::uint32_t>(all.size()) : config.start_version};
    if (truth.sources.empty()) return from;
    const auto of_parent = [&d](const SourceGain& s) { return s.parent == d.parent; };
    const auto source = std::find_if(truth.sources.begin(), truth.sources.end(), of_parent);
    const std::int32_t gain = source == truth.sources.end() ? 0 : source->gain_per_mille;
    g.total = transfer_work(spec, truth.work, gain, all[from.version - 1]);
    g.heir_of = g.source = d.parent;
    return from;
  }
  return {};
}

std::optional<event::Inherited> SimVersions::inherited(SimGang& g) const {
  if (!g.heir_of.valid()) return std::nullopt;
  const event::Inherited told{g.heir_of, workload_->truths[g.job.index()].work - g.total};
  g.heir_of = JobId{};
  return told;
}

std::optional<Work> SimVersions::first_epoch(const SimGang& g) const {
  if (!g.source.valid() || g.assessed) return std::nullopt;
  const Work epoch = epoch_work(workload_->truths[g.job.index()]);
  const bool to_come = epoch.ns > 0 && g.done < epoch && epoch < g.total;
  return to_come ? std::optional(epoch) : std::nullopt;
}

event::Assessed SimVersions::assess(SimGang& g) const {
  g.assessed = true;
  const JobTruth& truth = workload_->truths[g.job.index()];
  const EpochWorth seen = measured_worth(assess_, g.job, g.source, truth.work, g.total + g.spared);
  return {g.source, seen.worth, seen.error};
}

// The first one that the job has not published yet.
std::optional<Work> SimVersions::next_point(const SimGang& g) const {
  if (points_.empty()) return std::nullopt;
  const std::int32_t have = newest(versions_[g.job.index()]);
  for (const std::int32_t point : points_[g.job.index()]) {
    if (point <= have) continue;
    const Int128 work = (static_cast<Int128>(g.total.ns) * point + 999) / 1000;
    const Work at{static_cast<std::int64_t>(work)};
    return at < g.total ? std::optional(at) : std::nullopt;
  }
  return std::nullopt;
}

event::Published SimVersions::publish(const SimGang& g) {
  std::vector<std::int32_t>& versions = versions_[g.job.index()];
  const auto progress = static_cast<std::int32_t>(static_cast<Int128>(g.done.ns) * 1000 / g.total.ns);
  versions.push_back(std::max(newest(versions), progress));
  return {static_cast<std::int64_t>(versions.size()), versions.back()};
}

}  // namespace orrery
