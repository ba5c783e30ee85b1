// The live world's versions: a parent is asked to publish where an edge of a child wants it, and a child is told
// which version it starts from. Both as in the simulated world (sim/world/sim_versions.cpp).
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "backend/live/live_executor.hpp"
#include "backend/protocol/checkpoint_dir.hpp"
#include "backend/protocol/files.hpp"

namespace orrery::live {

std::int32_t LiveExecutor::progress_of(const Gang& g) const {
  const Work total = workload_->truths[g.job.index()].work;
  if (total.ns <= 0) return 0;
  return static_cast<std::int32_t>(static_cast<Int128>(std::min(g.done, total).ns) * 1000 / total.ns);
}

// After a report: once per point that it has passed and that no version of the job covers. A version that a launch
// was asked for and took with it to the grave is asked for again by the next.
void LiveExecutor::ask_for_versions(Gang& g) {
  if (points_.empty() || g.phase != Phase::running) return;
  const std::int32_t progress = progress_of(g), asked = std::max(g.asked_at, g.published_at);
  for (const std::int32_t point : points_[g.job.index()]) {
    if (point <= asked || point > progress) continue;
    g.asked_at = progress;
    return say(g, Publish{});
  }
}

std::string LiveExecutor::source_of(const Gang& g, const RunConfig& config) const {
  const JobSpec& spec = workload_->specs[g.job.index()];
  if (spec.after.empty() || task_of(g.job) == nullptr) return {};
  // Once it has work of its own, the parameters that it does not train must stay those that it began with.
  const std::string note = folder_of(g.job) + "/source";
  if (g.committed.ns > 0)
    if (auto known = read_file(note)) return *known;
  std::string source;
  for (const Dependency& d : spec.after) {
    if (config.start_version == kFromBase) break;
    if (config.start_parent.valid() && config.start_parent != d.parent) continue;
    const std::string checkpoints = folder_of(d.parent) + "/checkpoints";
    std::vector<std::string> versions = published_versions(checkpoints + "/versions");
    const Gang& parent = gangs_[d.parent];
    if (parent.phase == Phase::idle && parent.committed >= workload_->truths[d.parent.index()].work)
      versions.push_back(checkpoints);  // finishing publishes the last one
    if (versions.empty()) continue;
    const bool newest = config.start_version == 0 || config.start_version > versions.size();
    source = newest ? versions.back() : versions[config.start_version - 1];
    break;
  }
  if (auto written = write_file(note, source); !written && options_.on_failure)
    options_.on_failure(written.error().items.at(0).message);
  return source;
}

FeatureKey LiveExecutor::feature_key(const Gang& g) const {
  const JobSpec& spec = workload_->specs[g.job.index()];
  FeatureKey key{spec.features.set, JobId{}, 0};
  for (const Dependency& d : spec.after) {
    const std::string checkpoints = folder_of(d.parent) + "/checkpoints";
    if (g.source != checkpoints && !g.source.starts_with(checkpoints + "/")) continue;
    const std::vector<std::string> versions = published_versions(checkpoints + "/versions");
    const auto at = std::find(versions.begin(), versions.end(), g.source);  // at the end: the last one, of finishing
    key.parent = d.parent;
    key.version = static_cast<std::uint32_t>(at - versions.begin() + 1);
    break;
  }
  return key;
}

void LiveExecutor::used_features(const Gang& g, const FeaturesUsed& said) {
  FeatureKey key = feature_key(g);
  if (key.set == 0) return;
  const bool dropped = said.use == FeatureUse::dropped;
  if (dropped) {
    const auto known = features_.find(said.key);
    if (known == features_.end()) return;  // another run's
    key = known->second;
  } else {
    features_[said.key] = key;
  }
  const Duration time{said.time.ns * options_.time_scale};
  const event::Features what{said.use, key.set, key.parent, key.version, time};
  if (dropped)
    batch_.push_back(Event{.at = now_, .what = what});
  else
    happen(g, what);
}

}  // namespace orrery::live
