#include "scenarios/run/journalled_executor.hpp"

#include <algorithm>
#include <utility>

#include "sim/core/assert.hpp"

namespace orrery::app {

JournalledExecutor::JournalledExecutor(Executor& inner, live::JournalWriter& journal,
                                       std::vector<live::JournalBatch> past, std::function<Work(JobId)> committed,
                                       Recording& recording, std::optional<Standstill> outage)
    : inner_(&inner),
      journal_(&journal),
      past_(std::move(past)),
      committed_(std::move(committed)),
      recording_(&recording),
      outage_(std::move(outage).value_or(Standstill{})),
      phase_(outage ? Phase::replaying : Phase::live) {}

void JournalledExecutor::launch(const LaunchRequest& request) {
  if (!replaying()) return inner_->launch(request);
  const auto& slices = request.gpus->slices();
  for (const Member& member : request.members) {
    if (member.config.anew) {
      saved_[member.job] = Work{};
      if (outage_.began_anew) outage_.began_anew(member.job, member.incarnation);
    }
    Lost l;
    l.gang = request.gang;
    l.incarnation = member.incarnation;
    l.node = slices.empty() ? NodeId(0) : slices.front().node;
    // Of members of a merged gang it is not: that depends on who was there.
    if (outage_.rate && request.sharing != Sharing::merged) l.rate = outage_.rate(request);
    l.at_start = saved_[member.job];
    lost_[member.job] = l;
  }
}

void JournalledExecutor::stop(GangId gang, const Member& member, StopHow how, Duration grace) {
  if (!replaying()) return inner_->stop(gang, member, how, grace);
  const auto at = lost_.find(member.job);
  if (at == lost_.end() || at->second.gang != gang) return;
  if (how == StopHow::suspend)
    at->second.unheard = event::Suspended{};
  else
    at->second.stopping = true;
}

void JournalledExecutor::resume(GangId gang, const Member& member) {
  if (!replaying()) return inner_->resume(gang, member);
  const auto at = lost_.find(member.job);
  if (at != lost_.end() && at->second.gang == gang) at->second.unheard = event::Resumed{};
}

void JournalledExecutor::command(GangId gang, const Member& member, const Command& c) {
  if (!replaying()) inner_->command(gang, member, c);
}

void JournalledExecutor::follow(const Event& e) {
  const auto at = lost_.find(e.job);
  switch (e.kind()) {
    case EventKind::started:
    case EventKind::resumed:
      if (at == lost_.end()) break;
      at->second.started = true;
      at->second.suspended = false;
      at->second.unheard.reset();
      at->second.since = e.at;
      break;
    case EventKind::suspended:
      if (at == lost_.end()) break;
      at->second.suspended = true;
      at->second.unheard.reset();
      at->second.ran += e.at - at->second.since;
      break;
    case EventKind::checkpointed: saved_[e.job] = e.get<event::Checkpointed>().committed; break;
    case EventKind::stopped:
      saved_[e.job] = e.get<event::Stopped>().committed;
      lost_.erase(e.job);
      break;
    case EventKind::failed:
    case EventKind::launch_failed: saved_[e.job] = failure_of(e)->committed; [[fallthrough]];
    case EventKind::finished: lost_.erase(e.job); break;
    default: break;
  }
}

void JournalledExecutor::tell(const event::Payload& what, JobId job, const Lost& l) {
  batch_.push_back(Event{.at = now_, .job = job, .gang = l.gang, .incarnation = l.incarnation, .what = what});
}

// What has work to show must have begun, at the earliest with the last batch that is known; verdicts follow at once.
void JournalledExecutor::hear() {
  for (auto& [job, l] : lost_) {
    const bool worked = !l.started && !l.stopping && committed_(job) > l.at_start;
    if (worked) tell(event::Started{}, job, l);
    if (l.unheard && !worked) tell(*l.unheard, job, l);
  }
  for (const Event& e : std::vector<Event>(batch_)) follow(e);
}

// No earlier than what the gangs saved could be done: a job's work has taken its time, whatever clocks say.
Time JournalledExecutor::stood_still() const {
  Time at = std::max(now_, outage_.stood);
  for (const auto& [job, l] : lost_) {
    if (!l.started || l.suspended || !l.rate || l.rate->per_billion <= 0) continue;
    at = std::max(at, l.since + (time_for(committed_(job) - l.at_start, *l.rate) - l.ran));
  }
  return at;
}

// Their controller's death is not charged to the jobs: the events name the node, as if it had gone down.
void JournalledExecutor::bury() {
  for (const auto& [job, l] : lost_) {
    const event::Failed failed{.committed = committed_(job), .node = l.node};
    if (l.stopping)
      tell(event::Stopped{.committed = failed.committed}, job, l);
    else if (l.started)
      tell(failed, job, l);
    else
      tell(event::LaunchFailed{failed}, job, l);
  }
  lost_.clear();
}

void JournalledExecutor::capacity(bool up) {
  const Topology& topology = inner_->describe();
  for (std::uint32_t n = 0; n < topology.node_count(); ++n) {
    const std::int32_t usable = up ? topology.node(NodeId(n)).gpus : 0;
    batch_.push_back(Event{.at = now_, .what = event::Capacity{NodeId(n), usable}});
  }
}

// What is asked for from now on reaches the world.
void JournalledExecutor::go_live() {
  phase_ = Phase::live;
  if (outage_.goes_on) outage_.goes_on(now_);
}

std::span<const Event> JournalledExecutor::write(Time deadline) {
  if (auto ok = journal_->batch(now_, deadline, batch_); !ok) throw JournalFailed{std::move(ok.error())};
  recording_->batches.push_back({now_, batch_, deadline});
  return batch_;
}

std::span<const Event> JournalledExecutor::wait_until(Time deadline) {
  batch_.clear();
  if (phase_ == Phase::replaying && next_ < past_.size()) {
    live::JournalBatch& b = past_[next_++];
    ORRERY_ASSERT(b.deadline == deadline, "the replay waits until {} ns, the journal says until {} ns", deadline.ns,
                  b.deadline.ns);
    now_ = b.now;
    batch_ = std::move(b.events);
    for (const Event& e : batch_) follow(e);
    recording_->batches.push_back({now_, batch_, deadline});
    return batch_;
  }
  while (phase_ != Phase::live) {
    switch (phase_) {
      case Phase::replaying:
        phase_ = Phase::unheard;
        hear();
        break;
      case Phase::unheard:
        now_ = stood_still();
        if (outage_.counted) capacity(false);
        bury();
        phase_ = Phase::down;
        if (!outage_.counted) go_live();
        break;
      default:
        now_ = now_ + *outage_.counted;
        capacity(true);
        bury();
        go_live();
    }
    if (!batch_.empty()) return write(deadline);
  }
  const std::span<const Event> events = inner_->wait_until(deadline);
  now_ = inner_->now();
  if (auto ok = journal_->batch(now_, deadline, events); !ok) throw JournalFailed{std::move(ok.error())};
  recording_->batches.push_back({now_, {events.begin(), events.end()}, deadline});
  return events;
}

void PlanJournal::on_plan(Time, std::uint64_t epoch, const Plan& plan) {
  const std::uint32_t digest = live::digest_of(plan);
  if (epoch <= past_.size()) {
    ORRERY_ASSERT(digest == past_[epoch - 1], "decision {} is not the one in the journal", epoch);
    ++replayed_;
    return;
  }
  if (auto ok = journal_->plan(digest); !ok) throw JournalFailed{std::move(ok.error())};
}

}  // namespace orrery::app
