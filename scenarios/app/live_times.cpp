#include "scenarios/app/live_times.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "backend/live/process.hpp"
#include "scenarios/app/live_tasks.hpp"

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

Expected<MeasuredTimes> promised_times(const Prepared& prepared, const std::vector<ProfileRow>& rows) {
  const LiveConfig config = prepared.scenario.live.value_or(LiveConfig{});
  const auto slots = static_cast<std::int32_t>(prepared.topology->total_gpus());
  const auto cores = static_cast<std::int32_t>(std::max<std::size_t>(1, live::own_cores().size()));
  const std::int32_t crowd = config.gpus ? 1 : std::max(1, (slots + cores - 1) / cores);
  // The nearest at or above the crowd comes first, then those below it, the most crowded first.
  const auto rank = [crowd](const ProfileRow& r) {
    return r.corunners >= crowd ? r.corunners - crowd : 1'000'000 - r.corunners;
  };
  MeasuredTimes times;
  std::int64_t start = 0, restore = 0, stop = 0, trained = 0;
  for (const JobSpec& spec : prepared.workload.specs) {
    times.rates.push_back(kUnitRate);
    const auto named = trained_job(prepared, spec.model);
    if (!named) return tl::make_unexpected(named.error());
    const std::optional<JobFile>& job = *named;
    if (!job) continue;
    const ProfileRow* best = nullptr;
    for (const ProfileRow& r : rows) {
      if (r.model != spec.model || r.mode != to_string(spec.kind) || r.world != std::max(1, spec.demand.gpus))
        continue;
      if (best == nullptr || rank(r) < rank(*best)) best = &r;
    }
    if (best == nullptr) {
      Diagnostic d{fmt::format("the profile table has no row for job {}: model `{}`, mode `{}`, world {}", spec.name,
                               spec.model, to_string(spec.kind), std::max(1, spec.demand.gpus))};
      d.hint = "`orrery live calibrate` on this scenario writes one that has";
      return fail(std::move(d));
    }
    const Int128 work = prepared.workload.truths[spec.id.index()].work.ns;
    times.rates.back() = Rate{static_cast<std::int64_t>(work * kUnitRate.per_billion / job->steps / best->step.ns)};
    start += best->start.ns;
    restore += best->restore.ns;
    stop += best->stop.ns;
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
