// The live world's versions: a parent is asked to publish where an edge of a child wants it, and a child is told
// which version it starts from. Both as in the simulated world (sim/world/sim_versions.cpp).
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "backend/live/live_executor.hpp"
#include "backend/protocol/checkpoint_dir.hpp"
#include "backend/protocol/files.hpp"

namespace orrery::live {

namespace {

constexpr const char* kFinished = "/finished";  // in the folder of a job: it has published its last version

std::int32_t per_mille(Work done, Work total) {
  if (total.ns <= 0) return 0;
  return static_cast<std::int32_t>(static_cast<Int128>(std::min(done, total).ns) * 1000 / total.ns);
}

}  // namespace

// Of a job that was not launched by this executor, as if it had started from its base checkpoint.
Work LiveExecutor::total_of(JobId job) const {
  const Work known = gangs_[job].total;
  return known.ns > 0 ? known : workload_->truths[job.index()].work;
}

std::int32_t LiveExecutor::progress_of(const Gang& g) const {
  return per_mille(g.done, total_of(g.job));
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

// The folder of the version that a job that has done nothing starts from; empty: its base checkpoint.
std::string LiveExecutor::newest_source(const Gang& g, const RunConfig& config) const {
  if (config.start_version == kFromBase) return {};
  for (const Dependency& d : workload_->specs[g.job.index()].after) {
    if (config.start_parent.valid() && config.start_parent != d.parent) continue;
    const std::string checkpoints = folder_of(d.parent) + "/checkpoints";
    std::vector<std::string> versions = published_versions(checkpoints + "/versions");
    const Gang& parent = gangs_[d.parent];
    const bool done = parent.phase == Phase::idle && parent.committed >= total_of(d.parent);
    if (done || std::filesystem::exists(folder_of(d.parent) + kFinished)) versions.push_back(checkpoints);
    if (versions.empty()) continue;
    const bool newest = config.start_version == 0 || config.start_version > versions.size();
    return newest ? versions.back() : versions[config.start_version - 1];
  }
  return {};
}

// Once it has work of its own, that began with what is noted: parameters that a job does not train must stay those,
// and a paced one has the work that it had.
void LiveExecutor::choose_source(Gang& g, const RunConfig& config) {
  const JobSpec& spec = workload_->specs[g.job.index()];
  if (g.total.ns > 0 && (g.committed.ns > 0 || g.start_left)) return;
  g.total = workload_->truths[g.job.index()].work;
  g.inherits = g.assessed = false;
  g.heir_of = JobId{};
  g.source.clear();
  if (spec.after.empty()) return;
  const std::string note = folder_of(g.job) + "/source";
  if (g.committed.ns > 0)
    if (auto known = read_file(note)) return start_from(g, *known);
  start_from(g, newest_source(g, config));
  g.inherits = g.heir_of.valid();
  auto written = make_folders(folder_of(g.job)).and_then([&](Ok) { return write_file(note, g.source); });
  if (!written && options_.on_failure) options_.on_failure(written.error().items.at(0).message);
}

// A paced job has less, or more, to do from there, as in the simulated world. One that trains makes its steps
// wherever it starts from.
void LiveExecutor::start_from(Gang& g, const std::string& version) {
  const JobTruth& truth = workload_->truths[g.job.index()];
  const bool paced = task_of(g.job) == nullptr;
  g.source = version;
  for (const Dependency& d : workload_->specs[g.job.index()].after) {
    const std::string checkpoints = folder_of(d.parent) + "/checkpoints";
    if (version.empty() || !version.starts_with(checkpoints)) continue;
    if (paced && truth.sources.empty()) return;
    g.heir_of = d.parent;
    if (!paced) return;
    std::int32_t progress = 1000;  // of the last version, which is the checkpoints themselves
    if (version != checkpoints)
      if (const auto there = load_checkpoint_at(version)) progress = per_mille(there->stamp.done, total_of(d.parent));
    const auto of_parent = [&d](const SourceGain& s) { return s.parent == d.parent; };
    const auto gain = std::find_if(truth.sources.begin(), truth.sources.end(), of_parent);
    g.total = transfer_work(truth.work, gain == truth.sources.end() ? 0 : gain->gain_per_mille, progress);
    g.assessed = g.committed >= epoch_work(truth);
    return;
  }
}

// What a paced child's first epoch was worth, as it is in the simulated world. One that trains measures it itself.
void LiveExecutor::assess(Gang& g) {
  if (g.phase != Phase::running || g.assessed || !g.heir_of.valid() || task_of(g.job) != nullptr) return;
  const JobTruth& truth = workload_->truths[g.job.index()];
  const Work epoch = epoch_work(truth);
  if (epoch.ns == 0 || g.done < epoch || epoch >= g.total) return;
  g.assessed = true;
  const EpochWorth seen = measured_worth(options_.assess, g.job, g.heir_of, truth.work, g.total);
  happen(g, event::Assessed{g.heir_of, seen.worth, seen.error});
}

void LiveExecutor::note_finished(JobId job) const {
  if (points_.empty()) return;
  const auto noted = write_file(folder_of(job) + kFinished, "");
  if (!noted && options_.on_failure) options_.on_failure(noted.error().items.at(0).message);
}

void LiveExecutor::begin_anew(JobId job, Incarnation incarnation) {
  const auto laid = lay_checkpoints_aside(folder_of(job) + "/checkpoints", incarnation);
  if (!laid && broken_.empty()) broken_ = laid.error().items.at(0).message;
  Gang& g = gangs_[job];
  g.done = g.committed = in_folder(job);
  g.total = Work{};
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
