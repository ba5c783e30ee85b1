// How far the control plane believes that jobs are, and how fast: as they said, and from there on as is predicted for
// what they hold. Of the members of a merged gang that is each one's part of the gang's steps. It is reckoned when
// members come and go, and when what they do changes; nothing else costs anything.
#include <utility>
#include <vector>

#include "sim/control/cluster_state.hpp"

namespace orrery {

// What it has done, in its own words. It may be less than what is believed.
void ClusterState::hear(JobRecord& r, Work done, Time now) {
  r.done = r.said = done;
  r.done_at = r.said_at = now;
}

// Late reports may come after the job was stopped, or after a later one. Its speed is what it measured itself, else
// what it was between two reports between which it had one speed. False: the report says nothing.
bool ClusterState::note_progress(JobRecord& r, const event::Progress& says, Time now) {
  const auto& [done, phase, own_rate] = says;
  if (r.state != JobState::running || done < r.said) return false;
  if (own_rate.per_billion > 0) {
    r.measured = Measured{now, own_rate};
  } else if (now > r.said_at && r.done_at == r.said_at) {
    const Int128 rate = static_cast<Int128>((done - r.said).ns) * kUnitRate.per_billion / (now - r.said_at).ns;
    r.measured = Measured{now, Rate{static_cast<std::int64_t>(rate)}};
  }
  hear(r, done, now);
  if (std::exchange(r.phase, phase) != phase) r.measured.reset();  // it goes on at another speed
  return true;
}

// It ceases to run, or to run as it did: what it is believed to have done until now stays.
void ClusterState::settle(JobRecord& r, Time now) const {
  if (r.state != JobState::running) return;
  r.done = r.done + work_in(now - r.done_at, believed_rate(r, *predict_));
  r.done_at = now;
}

// It is launched and drops what it has done. Nobody wants that of the launches to come.
void ClusterState::begin_anew(JobRecord& r, Time now) {
  r.anew_in = r.incarnation;
  r.committed = Work{};
  hear(r, Work{}, now);
  r.held_config.anew = r.target.config.anew = false;
}

// A standing target that wanted it to run as it did wants it to run as it does.
// From now on its speed is another, and what it reported before says nothing of it.
void ClusterState::reconfigure(JobRecord& r, const event::Reconfigured& to, Time now) {
  settle(r, now);
  r.measured.reset();
  RunConfig config = r.held_config;
  config.batch = to.batch;
  config.accumulation = to.accumulation;
  config.fill_per_mille = to.fill_per_mille;
  if (r.has_target && r.target.config == r.held_config) r.target.config = config;
  r.held_config = config;
  if (r.state == JobState::running && r.held_sharing == Sharing::merged) share_steps(r, now);
  if (r.state == JobState::running && r.held_sharing == Sharing::filler) fill_steps(r, now);
}

// Another member makes steps in the gang of `of`, or one less, or others: from now on its members have another speed,
// and what they reported before says nothing of it.
void ClusterState::share_steps(JobRecord& of, Time now) {
  of.in_gang.reset();
  std::vector<JobId> members;
  std::vector<MergedPart> parts;
  for (const JobId job : merged_.at(of.held_group)) {
    const JobRecord& r = record(job);
    if (r.state != JobState::running) continue;
    members.push_back(job);
    parts.push_back(predict_->merged_part(*r.spec, r.held, r.held_config));
  }
  for (std::size_t i = 0; i < members.size(); ++i) {
    JobRecord& r = mutable_record(members[i]);
    settle(r, now);
    r.measured.reset();
    r.in_gang = merged_speed(predict_->speed(*r.spec, r.held, r.held_config, {}).rate, i, parts);
  }
}

}  // namespace orrery
