#include "scenarios/app/journalled_executor.hpp"

#include <utility>

#include "sim/core/assert.hpp"

namespace orrery::app {

JournalledExecutor::JournalledExecutor(Executor& inner, live::JournalWriter& journal,
                                       std::vector<live::JournalBatch> past, std::function<Work(JobId)> committed,
                                       Recording& recording)
    : inner_(&inner),
      journal_(&journal),
      past_(std::move(past)),
      committed_(std::move(committed)),
      recording_(&recording),
      met_(past_.empty()) {}

void JournalledExecutor::launch(const LaunchRequest& request) {
  if (!replaying()) return inner_->launch(request);
  const auto& slices = request.gpus->slices();
  lost_[request.members[0].job] = {request.gang, request.incarnation,
                                   slices.empty() ? NodeId(0) : slices.front().node};
}

void JournalledExecutor::stop(GangId gang, Incarnation incarnation, StopHow how, Duration grace) {
  if (!replaying()) return inner_->stop(gang, incarnation, how, grace);
  for (auto& [job, l] : lost_)
    if (l.gang == gang && how != StopHow::suspend) l.stopping = true;
}

void JournalledExecutor::resume(GangId gang, Incarnation incarnation) {
  if (!replaying()) inner_->resume(gang, incarnation);
}

void JournalledExecutor::command(GangId gang, Incarnation incarnation, const Command& c) {
  if (!replaying()) inner_->command(gang, incarnation, c);
}

void JournalledExecutor::follow(const Event& e) {
  switch (e.kind) {
    case EventKind::started:
      if (const auto at = lost_.find(e.job); at != lost_.end()) at->second.started = true;
      break;
    case EventKind::finished:
    case EventKind::stopped:
    case EventKind::failed:
    case EventKind::launch_failed: lost_.erase(e.job); break;
    default: break;
  }
}

// Their controller's death is not charged to the jobs: the events name the node, as if it had gone down.
void JournalledExecutor::bury(Time now) {
  for (const auto& [job, l] : lost_) {
    Event e;
    e.at = now;
    e.kind = l.stopping ? EventKind::stopped : l.started ? EventKind::failed : EventKind::launch_failed;
    e.job = job;
    e.gang = l.gang;
    e.incarnation = l.incarnation;
    if (!l.stopping) e.node = l.node;
    e.value = committed_(job).ns;
    batch_.push_back(e);
  }
  lost_.clear();
}

std::span<const Event> JournalledExecutor::wait_until(Time deadline) {
  batch_.clear();
  if (next_ < past_.size()) {
    live::JournalBatch& b = past_[next_++];
    ORRERY_ASSERT(b.deadline == deadline, "the replay waits until {} ns, the journal says until {} ns", deadline.ns,
                  b.deadline.ns);
    now_ = b.now;
    batch_ = std::move(b.events);
    for (const Event& e : batch_) follow(e);
    recording_->batches.push_back({now_, batch_, deadline});
    return batch_;
  }
  if (!met_) {
    bury(now_);
    met_ = true;
    if (!batch_.empty()) {
      if (auto ok = journal_->batch(now_, deadline, batch_); !ok) throw JournalFailed{std::move(ok.error())};
      recording_->batches.push_back({now_, batch_, deadline});
      return batch_;
    }
  }
  const std::span<const Event> events = inner_->wait_until(deadline);
  if (auto ok = journal_->batch(inner_->now(), deadline, events); !ok) throw JournalFailed{std::move(ok.error())};
  recording_->batches.push_back({inner_->now(), {events.begin(), events.end()}, deadline});
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
