// The simulated world's versions: a job publishes what others may start from, and a child starts from what a parent
// has published, which decides how much work it has.
#include <algorithm>

#include "sim/core/assert.hpp"
#include "sim/world/sim_executor.hpp"

namespace orrery {
namespace {

std::int32_t newest(const std::vector<std::int32_t>& versions) {
  return versions.empty() ? 0 : versions.back();
}

}  // namespace

// What a launch starts from: its own work where it has some, else a version of a parent, else its base checkpoint.
void SimExecutor::inherit(Gang& g, const RunConfig& config) {
  if (g.done.ns != 0) return;
  const JobTruth& truth = workload_->truths[g.job.index()];
  g.total = truth.work;
  g.heir_of = JobId{};
  if (truth.sources.empty() || versions_.empty() || config.start_version == kFromBase) return;
  for (const Dependency& d : workload_->specs[g.job.index()].after) {
    if (config.start_parent.valid() && config.start_parent != d.parent) continue;
    const std::vector<std::int32_t>& all = versions_[d.parent.index()];
    if (all.empty()) continue;
    const std::int32_t progress =
        config.start_version == 0 || config.start_version > all.size() ? all.back() : all[config.start_version - 1];
    const auto of_parent = [&d](const SourceGain& s) { return s.parent == d.parent; };
    const auto source = std::find_if(truth.sources.begin(), truth.sources.end(), of_parent);
    const std::int32_t gain = source == truth.sources.end() ? 0 : source->gain_per_mille;
    g.total = transfer_work(truth.work, gain, progress);
    g.heir_of = d.parent;
    return;
  }
}

// Said as the job starts, before it does.
void SimExecutor::tell_inheritance(Gang& g) {
  if (!g.heir_of.valid()) return;
  say(g, event::Inherited{g.heir_of, workload_->truths[g.job.index()].work - g.total});
  g.heir_of = JobId{};
}

// The next publication: at the first point that the job has not published yet.
void SimExecutor::plan_publication(Gang& g) {
  if (points_.empty() || g.publish != Queue::kNone || !tolls_.empty()) return;
  const std::int32_t have = newest(versions_[g.job.index()]);
  for (const std::int32_t point : points_[g.job.index()]) {
    if (point <= have) continue;
    const Int128 work = (static_cast<Int128>(g.total.ns) * point + 999) / 1000;
    const Work at{static_cast<std::int64_t>(work)};
    if (at >= g.total) return;
    const Duration needed = time_to(g, at);
    if (needed != kForever) g.publish = schedule(g, now_ + needed, kProgressClass, What::publication);
    return;
  }
}

// A publication begins (nothing is said yet) or ends. It is a checkpoint, and says that too.
void SimExecutor::publish(Gang& g) {
  g.publish = Queue::kNone;
  g.publishes_now = false;
  const Duration cost = options_.publishes.cost;
  if (!g.saving) {
    settle(g);
    if (cost.ns > 0) {
      return begin_save(g, What::publication);
    }
  }
  g.committed = g.done;
  say(g, event::Checkpointed{g.committed, cost});
  std::vector<std::int32_t>& versions = versions_[g.job.index()];
  const auto progress = static_cast<std::int32_t>(static_cast<Int128>(g.done.ns) * 1000 / g.total.ns);
  versions.push_back(std::max(newest(versions), progress));
  say(g, event::Published{static_cast<std::int64_t>(versions.size()), versions.back()});
  if (g.saving) {
    g.saving = false;
    g.since = now_;
    plan_end(g);
    plan_checkpoint(g);
  }
  plan_publication(g);
}

// Finishing publishes; `finished` says so.
void SimExecutor::publish_last(const Gang& g) {
  if (!versions_.empty()) versions_[g.job.index()].push_back(1000);
}

}  // namespace orrery
