#include "sim/control/replay_executor.hpp"

#include "sim/core/assert.hpp"

namespace orrery {

std::span<const Event> RecordingExecutor::wait_until(Time deadline) {
  const std::span<const Event> events = inner_->wait_until(deadline);
  recording_->batches.push_back({inner_->now(), {events.begin(), events.end()}, deadline});
  return events;
}

std::span<const Event> ReplayExecutor::wait_until(Time deadline) {
  if (next_ == recording_->batches.size()) return {};
  const Recording::Batch& batch = recording_->batches[next_];
  ORRERY_ASSERT(batch.deadline == deadline, "the replay waits until {} ns, the recorded run waited until {} ns",
                deadline.ns, batch.deadline.ns);
  ++next_;
  now_ = batch.now;
  return batch.events;
}

}  // namespace orrery
