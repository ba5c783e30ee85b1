#include "scenarios/run/live_times.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <map>

#include "backend/engine/local/process.hpp"
#include "scenarios/run/live_tasks.hpp"

namespace orrery::app {

MeasuredTimes measured_times(const Prepared& prepared, const std::vector<live::LiveExecutor::Launch>& launches) {
  struct Mean {
    std::int64_t sum_ns = 0, count = 0;
    void add(Duration d) { sum_ns += d.ns, ++count; }
    [[nodiscard]] Duration get() const { return {count == 0 ? 0 : sum_ns / count}; }
  };
  Mean first, later, stop;
  std::vector<Int128> work(prepared.workload.specs.size()), ran(work.size());
  MeasuredTimes m;
  m.overheads.recorded.resize(work.size());
  for (const auto& l : launches) {
    if (!l.failure.empty()) continue;
    auto& recorded = m.overheads.recorded[l.job.index()];
    recorded.resize(std::max<std::size_t>(recorded.size(), l.incarnation));
    OverheadModel::Recorded& r = recorded[l.incarnation - 1];
    if (l.start.ns > 0) (l.incarnation == 1 ? first : later).add(*(r.start = l.start));
    if (l.stop.ns > 0) stop.add(*(r.stop = l.stop));
    if (l.host.valid()) continue;  // how fast it fills bubbles follows from how fast it is alone
    work[l.job.index()] += l.done.ns;
    ran[l.job.index()] += l.ran.ns;
  }
  m.overheads.launch = first.get();
  m.overheads.stop = stop.get();
  m.overheads.restart = OverheadModel::Restart::constant;
  m.overheads.restart_default = {later.count == 0 ? 0 : std::max<std::int64_t>(0, later.get().ns - first.get().ns)};
  for (std::size_t j = 0; j < work.size(); ++j)
    m.rates.push_back(ran[j] <= 0 ? kUnitRate
                                  : Rate{static_cast<std::int64_t>(work[j] * kUnitRate.per_billion / ran[j])});
  return m;
}

namespace {

constexpr std::int32_t kLargestCrowd = 16;

// Rows of one kind of job, by how many were at once.
using ByCrowd = std::map<std::int32_t, const ProfileRow*>;

// A step among `crowd` ranks, ns.
double step_ns(const ByCrowd& rows, std::int32_t crowd) {
  const auto above = rows.lower_bound(crowd);
  if (above == rows.end()) {
    const auto& [most, row] = *rows.rbegin();
    return static_cast<double>(row->step.ns) * crowd / most;
  }
  if (above->first == crowd || above == rows.begin()) return static_cast<double>(above->second->step.ns);
  const auto below = std::prev(above);
  const double part = static_cast<double>(crowd - below->first) / (above->first - below->first);
  return std::lerp(static_cast<double>(below->second->step.ns), static_cast<double>(above->second->step.ns), part);
}

}  // namespace

Expected<MeasuredTimes> promised_times(const Prepared& prepared, const std::vector<ProfileRow>& rows) {
  const LiveConfig config = prepared.scenario.live.value_or(LiveConfig{});
  const auto slots = static_cast<std::int32_t>(prepared.topology->total_gpus());
  const std::vector<int> cores = live::own_cores();
  MeasuredTimes times;
  if (!config.gpus)
    for (std::int32_t slot = 0; slot < slots; ++slot)
      times.place_of_slot.push_back(static_cast<std::size_t>(live::cores_of_slot(cores, slot, slots).front()));
  const auto have = static_cast<std::int32_t>(std::max<std::size_t>(1, cores.size()));
  const std::int32_t full = config.gpus ? 1 : std::max(1, (slots + have - 1) / have);
  std::int64_t start = 0, restore = 0, stop = 0, trained = 0;
  for (const JobSpec& spec : prepared.workload.specs) {
    times.rates.push_back(kUnitRate);
    times.crowded.push_back({kUnitRate});
    const auto named = trained_job(prepared, spec);
    if (!named) return tl::make_unexpected(named.error());
    const std::optional<JobFile>& job = *named;
    if (!job) continue;
    ByCrowd known;
    for (const ProfileRow& r : rows)
      if (r.model == spec.model && r.mode == to_string(spec.kind) && r.world == std::max(1, spec.demand.gpus))
        known.emplace(r.corunners, &r);
    if (known.empty()) {
      Diagnostic d{fmt::format("the profile table has no row for job {}: model `{}`, mode `{}`, world {}", spec.name,
                               spec.model, to_string(spec.kind), std::max(1, spec.demand.gpus))};
      d.hint = "`orrery live calibrate` on this scenario writes one that has";
      return fail(std::move(d));
    }
    const double work_ns = static_cast<double>(prepared.workload.truths[spec.id.index()].work.ns) /
                           static_cast<double>(job->steps);  // of a step
    times.crowded.back().clear();
    for (std::int32_t crowd = 1; crowd <= kLargestCrowd; ++crowd)
      times.crowded.back().push_back(
          Rate{std::llround(work_ns / step_ns(known, crowd) * static_cast<double>(kUnitRate.per_billion))});
    const auto at_full = known.lower_bound(full);
    const ProfileRow& row = at_full == known.end() ? *known.rbegin()->second : *at_full->second;
    start += row.start.ns;
    restore += row.restore.ns;
    stop += row.stop.ns;
    ++trained;
  }
  const auto mean = [trained](std::int64_t sum) { return Duration{trained == 0 ? 0 : sum / trained}; };
  times.overheads.launch = mean(start);
  times.overheads.stop = mean(stop);
  times.overheads.restart = OverheadModel::Restart::constant;
  times.overheads.restart_default = mean(restore);
  return times;
}

}  // namespace orrery::app
