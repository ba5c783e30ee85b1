#include "scenarios/run/journalled_executor.hpp"

#include <algorithm>
#include <utility>

#include "sim/core/assert.hpp"

namespace orrery::app {

JournalledExecutor::JournalledExecutor(Executor& inner, live::JournalWriter& journal,
                                       std::vector<live::JournalBatch> past, std::function<Work(JobId)> committed,
                                       Recording& recording, std::optional<Outage> outage)
    : inner_(&inner),
      journal_(&journal),
      past_(std::move(past)),
      committed_(std::move(committed)),
      recording_(&recording),
      outage_(std::move(outage).value_or(Outage{})),
      phase_(outage ? Phase::replaying : Phase::live) {}

void JournalledExecutor::launch(const LaunchRequest& request) {
  if (!replaying()) return inner_->launch(request);
  const auto& slices = request.gpus->slices();
  const JobId job = request.members[0].job;
  Lost l;
  l.gang = request.gang;
  l.incarnation = request.incarnation;
  l.node = slices.empty() ? NodeId(0) : slices.front().node;
  if (outage_.rate) l.rate = outage_.rate(request);
  l.at_start = saved_[job];
  lost_[job] = l;
}

void JournalledExecutor::stop(GangId gang, Incarnation incarnation, StopHow how, Duration grace) {
  if (!replaying()) return inner_->stop(gang, incarnation, how, grace);
  for (auto& [job, l] : lost_) {
    if (l.gang != gang) continue;
    if (how == StopHow::suspend)
      l.unheard = EventKind::suspended;
    else
      l.stopping = true;
  }
}

void JournalledExecutor::resume(GangId gang, Incarnation incarnation) {
  if (!replaying()) return inner_->resume(gang, incarnation);
  for (auto& [job, l] : lost_)
    if (l.gang == gang) l.unheard = EventKind::resumed;
}

void JournalledExecutor::command(GangId gang, Incarnation incarnation, const Command& c) {
  if (!replaying()) inner_->command(gang, incarnation, c);
}

void JournalledExecutor::follow(const Event& e) {
  const auto at = lost_.find(e.job);
  switch (e.kind) {
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
    case EventKind::checkpointed: saved_[e.job] = {e.value}; break;
    case EventKind::stopped:
    case EventKind::failed:
    case EventKind::launch_failed: saved_[e.job] = {e.value}; [[fallthrough]];
    case EventKind::finished: lost_.erase(e.job); break;
    default: break;
  }
}

void JournalledExecutor::tell(EventKind kind, JobId job, const Lost& l, Time at) {
  Event e;
  e.at = at;
  e.kind = kind;
  e.job = job;
  e.gang = l.gang;
  e.incarnation = l.incarnation;
  batch_.push_back(e);
}

// What has work to show must have begun, at the earliest with the last batch that is known; verdicts follow at once.
void JournalledExecutor::hear() {
  for (auto& [job, l] : lost_) {
    const bool worked = !l.started && !l.stopping && committed_(job) > l.at_start;
    if (worked) tell(EventKind::started, job, l, now_);
    if (l.unheard && !worked) tell(*l.unheard, job, l, now_);
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
    tell(l.stopping ? EventKind::stopped : l.started ? EventKind::failed : EventKind::launch_failed, job, l, now_);
    if (!l.stopping) batch_.back().node = l.node;
    batch_.back().value = committed_(job).ns;
  }
  lost_.clear();
}

void JournalledExecutor::capacity(bool up) {
  const Topology& topology = inner_->describe();
  for (std::uint32_t n = 0; n < topology.node_count(); ++n) {
    Event e;
    e.at = now_;
    e.kind = EventKind::capacity;
    e.node = NodeId(n);
    e.value = up ? topology.node(NodeId(n)).gpus : 0;
    batch_.push_back(e);
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
