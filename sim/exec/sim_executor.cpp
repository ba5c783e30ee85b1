#include "sim/exec/sim_executor.hpp"

#include <algorithm>

#include "sim/core/assert.hpp"

namespace orrery {

SimExecutor::SimExecutor(const Topology& topology, const Workload& workload, const PerformanceModel& model,
                         SimOptions options)
    : topology_(&topology),
      workload_(&workload),
      model_(&model),
      options_(std::move(options)),
      gangs_(workload.specs.size()) {}

SimExecutor::Queue::Handle SimExecutor::schedule(const Gang& g, Time at, Class event_class, EventKind kind,
                                                 std::int64_t value) {
  Event e;
  e.at = at;
  e.kind = kind;
  e.job = g.job;
  e.gang = g.id;
  e.incarnation = g.incarnation;
  e.value = value;
  return queue_.push(at, event_class, e);
}

SimExecutor::Gang* SimExecutor::find(GangId gang, Incarnation incarnation) {
  if (gang.index() >= job_of_gang_.size()) return nullptr;
  Gang& g = gangs_[job_of_gang_[gang.index()].index()];
  return g.id == gang && g.incarnation == incarnation && g.phase != Phase::idle ? &g : nullptr;
}

void SimExecutor::launch(const LaunchRequest& request) {
  ORRERY_ASSERT(request.members.size() == 1, "a gang of {} jobs: merging is not modelled yet",
                request.members.size());
  const JobId job = request.members[0].job;
  Gang& g = gangs_[job.index()];
  ORRERY_ASSERT(g.phase == Phase::idle, "job {} launched twice", job.value);
  if (request.gang.index() >= job_of_gang_.size()) job_of_gang_.resize(request.gang.index() + 1);
  job_of_gang_[request.gang.index()] = job;
  g.job = job;
  g.id = request.gang;
  g.incarnation = request.incarnation;
  g.phase = Phase::starting;
  const JobSpec& spec = workload_->specs[job.index()];
  g.rate = model_->rate(spec, *request.gpus, request.members[0].config, {});
  const Time start = now_ + options_.overheads.start_cost(spec, request.incarnation);
  g.next = schedule(g, start, kStartClass, EventKind::started, 0);
}

// Progress up to now is added to the job's work done.
void SimExecutor::settle(Gang& g) {
  if (g.phase != Phase::running) return;
  g.done = g.done + work_in(now_ - g.since, g.rate);
  g.since = now_;
}

void SimExecutor::cancel_pending(Gang& g) {
  if (g.next != Queue::kNone) queue_.cancel(g.next);
  if (g.report != Queue::kNone) queue_.cancel(g.report);
  g.next = g.report = Queue::kNone;
}

void SimExecutor::run_from_now(Gang& g) {
  g.phase = Phase::running;
  g.since = now_;
  const Work left = workload_->truths[g.job.index()].work - g.done;
  const Duration needed = time_for(left, g.rate);
  if (needed != kForever) g.next = schedule(g, now_ + needed, kFinishClass, EventKind::finished, 0);
  if (options_.progress_every.ns > 0)
    g.report = schedule(g, now_ + options_.progress_every, kProgressClass, EventKind::progress, 0);
}

void SimExecutor::stop(GangId gang, Incarnation incarnation, StopHow how, Duration) {
  Gang* g = find(gang, incarnation);
  if (g == nullptr || g->phase == Phase::stopping) return;  // it has just ended: its event is on the way
  settle(*g);
  cancel_pending(*g);
  if (how == StopHow::suspend) {
    g->phase = Phase::suspended;
    g->next = schedule(*g, now_, kStopClass, EventKind::suspended, g->done.ns);
    return;
  }
  g->phase = Phase::stopping;
  const Duration delay = how == StopHow::kill ? Duration{} : options_.overheads.stop;
  g->next = schedule(*g, now_ + delay, kStopClass, EventKind::stopped, g->done.ns);
}

void SimExecutor::resume(GangId gang, Incarnation incarnation) {
  Gang* g = find(gang, incarnation);
  if (g == nullptr || g->phase != Phase::suspended) return;
  cancel_pending(*g);
  g->next = schedule(*g, now_, kStartClass, EventKind::resumed, 0);
}

void SimExecutor::command(GangId gang, Incarnation incarnation, const Command& command) {
  Gang* g = find(gang, incarnation);
  if (g == nullptr) return;
  settle(*g);
  const bool saves = command.kind == Command::Kind::checkpoint && g->phase == Phase::running;
  schedule(*g, now_, kProgressClass, saves ? EventKind::checkpointed : EventKind::command_failed, g->done.ns);
}

// What an event means for the gang it belongs to; then it goes into the batch.
void SimExecutor::happen(Event e) {
  Gang& g = gangs_[e.job.index()];
  if (g.incarnation != e.incarnation) return;
  e.at = now_;  // it may have been rescheduled since it was queued
  switch (e.kind) {
    case EventKind::started:
    case EventKind::resumed:
      g.next = Queue::kNone;
      run_from_now(g);
      break;
    case EventKind::finished:
      g.next = Queue::kNone;
      settle(g);
      cancel_pending(g);
      g.phase = Phase::idle;
      break;
    case EventKind::stopped:
      g.next = Queue::kNone;
      g.phase = Phase::idle;
      break;
    case EventKind::suspended: g.next = Queue::kNone; break;
    case EventKind::progress:
      settle(g);
      e.value = g.done.ns;
      g.report = schedule(g, now_ + options_.progress_every, kProgressClass, EventKind::progress, 0);
      break;
    default: break;
  }
  batch_.push_back(e);
}

// Emulation of Muri: whatever happens, every job that goes on running has progressed by max(elapsed - pause, 0).
void SimExecutor::pause_running(Duration elapsed) {
  for (Gang& g : gangs_) {
    if (g.phase != Phase::running) continue;
    const Duration pause = options_.pause_per_event[g.job.index()];
    g.done = g.done + Work{std::max<std::int64_t>(elapsed.ns - pause.ns, 0)};
    g.since = now_;
    queue_.reschedule(g.next, now_ + time_for(workload_->truths[g.job.index()].work - g.done, kUnitRate));
    Event e;
    e.at = now_;
    e.kind = EventKind::progress;
    e.job = g.job;
    e.gang = g.id;
    e.incarnation = g.incarnation;
    e.value = g.done.ns;
    batch_.push_back(e);
  }
}

std::span<const Event> SimExecutor::wait_until(Time deadline) {
  batch_.clear();
  const Time next = queue_.next_time();
  const Time before = now_;
  if (next > deadline || next == kNever) {
    if (deadline != kNever) now_ = std::max(now_, deadline);
    if (!options_.pause_per_event.empty() && now_ > before) pause_running(now_ - before);
    return batch_;
  }
  ORRERY_ASSERT(next >= now_, "time runs backwards: {} after {}", next.ns, now_.ns);
  now_ = next;
  if (!options_.pause_per_event.empty() && now_ > before) {
    while (!queue_.empty() && queue_.next_time() == now_) happen(queue_.pop().payload);
    pause_running(now_ - before);
    return batch_;
  }
  while (!queue_.empty() && queue_.next_time() == now_) happen(queue_.pop().payload);
  return batch_;
}

}  // namespace orrery
