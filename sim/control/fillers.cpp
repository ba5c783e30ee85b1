// What the control plane knows of jobs that run in the bubbles of others (Sharing::filler): who fills whose, that
// they may, and how fast they are believed to be there.
#include <algorithm>

#include "sim/api/bubbles.hpp"
#include "sim/api/job_phases.hpp"
#include "sim/control/cluster_state.hpp"
#include "sim/core/assert.hpp"

namespace orrery {
void ClusterState::join_host(JobId job, JobId host) {
  ORRERY_ASSERT(host.index() < records_.size(), "job {} is to fill bubbles of a job that is not in this run",
                job.value);
  fillers_[host].push_back(job);
}

void ClusterState::leave_host(const JobRecord& r) {
  const auto host = fillers_.find(r.target.config.host);
  std::erase(host->second, r.spec->id);
  if (host->second.empty()) fillers_.erase(host);
}

// Its host runs and goes on where it is, the GPUs are of one stage, and nobody else fills them.
void ClusterState::check_filler(JobId job) const {
  const Target& t = record(job).target;
  const JobRecord& host = record(t.config.host);
  ORRERY_ASSERT(t.act == Act::run, "job {} fills bubbles: it can be preempted, not suspended", job.value);
  ORRERY_ASSERT(host.state == JobState::running && host.has_target && host.target.act == Act::run &&
                    host.target.gpus == host.held && host.held_sharing != Sharing::filler,
                "job {} is to fill bubbles of job {}, which does not run, or not where it is to be", job.value,
                host.spec->id.value);
  ORRERY_ASSERT(stage_of(host.spec->bubbles, host.held, t.gpus) >= 0,
                "job {} is to fill bubbles on {}, which are no GPUs of one stage of job {} on {}", job.value,
                t.gpus.to_string(), host.spec->id.value, host.held.to_string());
  for (const JobId other : fillers(host.spec->id))
    ORRERY_ASSERT(other == job || !share_gpus(record(other).target.gpus, t.gpus),
                  "jobs {} and {} are to fill the same bubbles of job {}", job.value, other.value,
                  host.spec->id.value);
}

void ClusterState::check_hosts() const {
  std::size_t wanted = 0, listed = 0;
  for (const JobRecord& r : records_) {
    if (!r.has_target || r.target.sharing != Sharing::filler) continue;
    ++wanted;
    const auto all = fillers(r.target.config.host);
    ORRERY_ASSERT(std::find(all.begin(), all.end(), r.spec->id) != all.end(),
                  "job {} is to fill bubbles of job {}, but not in its list", r.spec->id.value,
                  r.target.config.host.value);
  }
  for (const auto& [host, all] : fillers_) listed += all.size();
  ORRERY_ASSERT(wanted == listed, "{} fillers, {} in the lists of their hosts", wanted, listed);
}

// It begins to fill, ceases to, or fills more or less: its own speed is believed to follow from what its host
// advertises; what its host reported before says nothing of how fast that is now.
void ClusterState::fill_steps(JobRecord& filler, Time now) {
  JobRecord& host = mutable_record(filler.held_config.host);
  filler.in_gang.reset();
  if (filler.state == JobState::running) {
    const Bubbles& bubbles = host.spec->bubbles;
    const StageUse use = stage_use(bubbles, stage_of(bubbles, host.held, filler.held), filler.spec->fills);
    const Rate alone = predict_->speed(*filler.spec, filler.held, filler.held_config, {}).rate;
    filler.in_gang = times(alone, fill_rate(bubbles, use, filler.held_config.fill_per_mille));
  }
  if (host.state != JobState::running) return;
  settle(host, now);
  host.measured.reset();
}

}  // namespace orrery
