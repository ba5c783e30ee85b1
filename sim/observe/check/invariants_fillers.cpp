// The checker's view of jobs in the bubbles of others: there is a host and it runs, the GPUs are its own, of one
// stage and nobody else's to fill, and a window has the length and the memory that the filler needs.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "sim/api/bubbles.hpp"
#include "sim/observe/check/invariants.hpp"

namespace orrery {
void InvariantChecker::begin_fill(const Event& e, const Allocation& gpus) {
  end_fill(e.job);
  const auto& says = e.get<event::Launch>();
  const JobRecord& r = (*context_.records)[e.job.index()];
  if ((r.held_sharing == Sharing::filler) != says.host.valid() || says.host != r.held_config.host)
    report(e.at, e.job, "filler", "launched into bubbles, but not recorded so, or the other way round");
  if (!says.host.valid()) return;
  if (says.host.index() >= jobs_.size()) return report(e.at, e.job, "filler", "fills bubbles of no job of this run");
  jobs_[e.job.index()].host = says.host;
  std::vector<JobId>& all = fillers_[says.host];
  const Job& host = jobs_[says.host.index()];
  const Bubbles& bubbles = (*context_.records)[says.host.index()].spec->bubbles;
  if (host.state != JobState::running || host.held == kNone || host.host.valid()) {
    report(e.at, e.job, "filler", fmt::format("fills bubbles of job {}, which does not run", says.host.value));
  } else {
    const std::int32_t stage = stage_of(bubbles, bookings_[host.held].gpus, gpus);
    if (stage < 0)
      report(e.at, e.job, "filler",
             fmt::format("fills bubbles on {}: no GPUs of one stage of job {}", gpus.to_string(), says.host.value));
    else if (stage_use(bubbles, stage, r.spec->fills).windows == 0)
      report(e.at, e.job, "filler", fmt::format("no window of job {} has its length and memory", says.host.value));
  }
  for (const JobId other : all) {
    const std::uint32_t held = jobs_[other.index()].held;
    if (jobs_[other.index()].state != JobState::stopping && held != kNone && share_gpus(bookings_[held].gpus, gpus))
      report(e.at, e.job, "filler", fmt::format("fills the same bubbles as job {}", other.value));
  }
  all.push_back(e.job);
}

void InvariantChecker::end_fill(JobId job) {
  const auto at = fillers_.find(std::exchange(jobs_[job.index()].host, JobId{}));
  if (at == fillers_.end()) return;
  std::erase(at->second, job);
  if (at->second.empty()) fillers_.erase(at);
}

// A host that ceases to run takes its fillers with it, in the same batch.
void InvariantChecker::check_hosts(Time now) {
  for (const auto& [host, all] : fillers_) {
    if (!jobs_[host.index()].touched || jobs_[host.index()].state == JobState::running) continue;
    for (const JobId job : all)
      if (jobs_[job.index()].state != JobState::stopping)
        report(now, job, "filler", fmt::format("fills bubbles of job {}, which does not run any longer", host.value));
  }
}

}  // namespace orrery
