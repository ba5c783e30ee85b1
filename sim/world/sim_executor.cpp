#include "sim/world/sim_executor.hpp"

#include <algorithm>

#include "sim/api/emulation.hpp"
#include "sim/core/assert.hpp"

namespace orrery {
SimExecutor::SimExecutor(const Topology& topology, const Workload& workload, const PerformanceModel& model,
                         SimOptions options)
    : topology_(&topology),
      workload_(&workload),
      model_(&model),
      options_(std::move(options)),
      in_stretches_(model.in_stretches()),
      gangs_(workload.specs.size()),
      points_(publish_points(options_.publishes, workload.specs)),
      versions_(points_.size()) {
  make_parts();
  plan_failures(nullptr);
}

// What only some worlds have.
void SimExecutor::make_parts() {
  if (options_.network != nullptr) contention_.emplace(*options_.network);
  if (model_->minds_neighbours()) neighbours_.emplace(*topology_, gangs_.size(), model_->places());
  if (options_.rule == nullptr || options_.rule->toll == nullptr) return;
  for (const JobSpec& spec : workload_->specs) tolls_.push_back(options_.rule->toll(spec));
}

// From now on. `known`: the nodes that are away by now, null at the start of a run.
void SimExecutor::plan_failures(const Inventory* known) {
  if (!options_.failures.active()) return;
  gangs_on_.resize(topology_->node_count());
  away_.resize(topology_->node_count());
  plan_slow_spells();
  for (const Outage& o : merged(options_.failures.outages)) {
    if (known != nullptr && o.to <= now_) continue;
    if (known != nullptr && o.from <= now_)
      away_[o.node.index()] = 1;
    else
      queue_.push(o.from, kNodeClass, {.what = What::node_down, .node = o.node});
    queue_.push(o.to, kNodeClass, {.what = What::node_up, .node = o.node});
  }
  const Duration mtbf = options_.failures.node_mtbf;
  for (std::uint32_t n = 0; n < topology_->node_count() && mtbf.ns > 0; ++n) {
    node_failures_.emplace_back(options_.failures, n);
    Due due{.what = What::node_down, .by_chance = true, .node = NodeId(n)};
    Duration after = node_failures_.back().next();
    if (known != nullptr && known->is_down(NodeId(n)) && away_[n] == 0) {
      away_[n] = 1;
      due.what = What::node_up;
      after = options_.failures.repair;
    }
    queue_.push(now_ + after, kNodeClass, due);
  }
}

SimExecutor::Queue::Handle SimExecutor::schedule(const Gang& g, Time at, Class event_class, What what, Work work,
                                                 Duration stood_still) {
  Due due;
  due.what = what;
  due.job = g.job;
  due.incarnation = g.incarnation;
  due.work = work;
  due.stood_still = stood_still;
  return queue_.push(at, event_class, due);
}

void SimExecutor::say(const Gang& g, const event::Payload& what) {
  batch_.push_back(Event{.at = now_, .job = g.job, .gang = g.id, .incarnation = g.incarnation, .what = what});
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
  if (in_stretches_) {
    g.gpus = *request.gpus;
    g.config = request.members[0].config;
    g.healthy = kUnitRate;
  } else {
    g.healthy = speed_of(g, *request.gpus, request.members[0].config);
  }
  inherit(g, request.members[0].config);
  const Time start =
      now_ + options_.overheads.start_cost(spec, request.incarnation) + model_->start_cost(spec, *request.gpus);
  g.next = schedule(g, start, kStartClass, What::start);
  if (contention_ || neighbours_) {
    g.gpus = *request.gpus;
    g.config = request.members[0].config;
  }
  g.turns = 1;
  g.in_group = request.group.valid() && !model_->knows_sharing();
  if (g.in_group) {
    if (!neighbours_) neighbours_.emplace(*topology_, gangs_.size());
    g.gpus = *request.gpus;
  }
  g.rate = g.healthy;
  if (gangs_on_.empty()) return;
  g.gpus = *request.gpus;
  for (const NodeSlice& s : g.gpus.slices()) gangs_on_[s.node.index()].push_back(job);
  g.slowdown = slowest_node(g);
  g.rate = present_rate(g);
}

// Progress up to now is added to the job's work done.
void SimExecutor::settle(Gang& g) {
  if (g.phase != Phase::running || g.saving) return;
  if (in_stretches_) {
    const Duration gone = now_ - g.since;
    if (gone >= g.stretch.left) {
      g.done = g.stretch.until;
      g.stretch.left = Duration{0};
    } else {
      const Int128 work = static_cast<Int128>((g.stretch.until - g.done).ns) * gone.ns / g.stretch.left.ns;
      g.done = g.done + Work{static_cast<std::int64_t>(work)};
      g.stretch.left -= gone;
    }
  } else {
    g.done = g.done + work_in(now_ - g.since, g.rate);
  }
  g.since = now_;
}

// When the job will finish, or its speed changes.
void SimExecutor::plan_end(Gang& g) {
  if (in_stretches_) return begin_stretch(g);
  const Duration needed = time_for(g.total - g.done, g.rate);
  if (needed != kForever) g.next = schedule(g, now_ + needed, kFinishClass, What::finish);
}

void SimExecutor::cancel_pending(Gang& g) {
  if (contention_) contention_->stop(g.job);  // whatever ends its steps comes by here
  if (neighbours_) neighbours_->stop(g.job);
  if (g.next != Queue::kNone) queue_.cancel(g.next);
  if (g.report != Queue::kNone) queue_.cancel(g.report);
  if (g.save != Queue::kNone) queue_.cancel(g.save);
  if (g.publish != Queue::kNone) queue_.cancel(g.publish);
  g.next = g.report = g.save = g.publish = Queue::kNone;
  g.saving = g.publishes_now = false;
}

// One cause of a node's being away begins, or ends: it is up while there is none, known or by chance. What ran there
// has failed before the capacity is gone.
void SimExecutor::change_node(const Due& due) {
  const bool fails = due.what == What::node_down;
  int& causes = away_[due.node.index()];
  const bool was_up = causes == 0;
  causes += fails ? 1 : -1;
  if (was_up) fail_gangs_on(due.node);
  const std::int32_t usable = fails ? 0 : topology_->node(due.node).gpus;
  if (was_up || causes == 0) batch_.push_back(Event{.at = now_, .what = event::Capacity{due.node, usable}});
  if (!due.by_chance) return;
  Due next = due;
  next.what = fails ? What::node_up : What::node_down;
  queue_.push(now_ + node_failures_[due.node.index()].next(), kNodeClass, next);
}

void SimExecutor::fail_gangs_on(NodeId node) {
  const std::vector<JobId> hit = gangs_on_[node.index()];
  for (const JobId job : hit) {
    Gang& g = gangs_[job.index()];
    const Duration broken_off = stood_still(g);
    leave_nodes(g);
    cancel_pending(g);
    g.done = g.committed;
    g.phase = Phase::idle;
    say(g, event::Failed{.committed = g.committed, .broken_off = broken_off, .node = node});
  }
}

void SimExecutor::leave_nodes(const Gang& g) {
  if (gangs_on_.empty()) return;
  for (const NodeSlice& s : g.gpus.slices()) {
    std::vector<JobId>& there = gangs_on_[s.node.index()];
    there.erase(std::find(there.begin(), there.end(), g.job));
  }
}

void SimExecutor::run_from_now(Gang& g) {
  g.phase = Phase::running;
  g.since = now_;
  g.saving = false;
  if (contention_) contention_->start(g.job, g.gpus);
  if (neighbours_ && (g.in_group || model_->minds_neighbours())) neighbours_->start(g.job, g.gpus);
  plan_end(g);
  if (options_.progress_every.ns > 0)
    g.report = schedule(g, now_ + options_.progress_every, kProgressClass, What::report);
  plan_checkpoint(g);
  plan_publication(g);
}

void SimExecutor::stop(GangId gang, Incarnation incarnation, StopHow how, Duration) {
  Gang* g = find(gang, incarnation);
  if (g == nullptr) return;  // it has just ended: its event is on the way
  if (g->phase == Phase::stopping && how != StopHow::kill) return;
  settle(*g);
  g->broken_save = stood_still(*g);
  cancel_pending(*g);
  if (how == StopHow::suspend) {
    g->phase = Phase::suspended;
    g->next = schedule(*g, now_, kStopClass, What::suspension, {}, g->broken_save);
    return;
  }
  g->phase = Phase::stopping;
  const bool kill = how == StopHow::kill;
  const JobSpec& spec = workload_->specs[g->job.index()];
  const Duration takes = kill ? Duration{} : options_.overheads.stop_cost(spec, incarnation);
  g->next = schedule(*g, now_ + takes, kStopClass, What::stop, kill ? g->committed : g->done, g->broken_save);
}

void SimExecutor::resume(GangId gang, Incarnation incarnation) {
  Gang* g = find(gang, incarnation);
  if (g == nullptr || g->phase != Phase::suspended) return;
  cancel_pending(*g);
  g->next = schedule(*g, now_, kStartClass, What::resumption);
}

// What is due means something for its gang and, in most cases, is said.
void SimExecutor::happen(const Due& due) {
  if (due.what == What::node_down || due.what == What::node_up) return change_node(due);
  if (due.what == What::slow_spell || due.what == What::spell_end) return change_speed(due);
  Gang& g = gangs_[due.job.index()];
  if (g.incarnation != due.incarnation) return;
  switch (due.what) {
    case What::start:
    case What::resumption:
      g.next = Queue::kNone;
      tell_inheritance(g);
      run_from_now(g);
      if (due.what == What::start) return say(g, event::Started{});
      return say(g, event::Resumed{});
    case What::finish:
      g.next = Queue::kNone;
      settle(g);
      cancel_pending(g);
      g.phase = Phase::idle;
      publish_last(g);
      leave_nodes(g);
      return say(g, event::Finished{});
    case What::suspension: g.next = Queue::kNone; return say(g, event::Suspended{due.stood_still});
    case What::stop:
      g.next = Queue::kNone;
      g.phase = Phase::idle;
      g.done = g.committed = due.work;
      leave_nodes(g);
      return say(g, event::Stopped{due.work, due.stood_still});
    case What::report:
      settle(g);
      g.report = schedule(g, now_ + options_.progress_every, kProgressClass, What::report);
      return say(g, event::Progress{g.done});
    case What::stretch_end: end_stretch(g); return say(g, event::Progress{g.done});
    case What::checkpoint: return checkpoint(g);
    case What::saved: return say(g, event::Checkpointed{due.work});
    case What::publication: return publish(g);
    case What::refusal: return say(g, event::CommandFailed{});
    default: return;
  }
}

// Whatever happens, every job that goes on running has progressed by max(elapsed - toll, 0).
void SimExecutor::take_tolls(Duration elapsed) {
  for (Gang& g : gangs_) {
    if (g.phase != Phase::running) continue;
    g.done = g.done + Work{std::max<std::int64_t>(elapsed.ns - tolls_[g.job.index()].ns, 0)};
    g.since = now_;
    queue_.reschedule(g.next, now_ + time_for(g.total - g.done, kUnitRate));
    say(g, event::Progress{g.done});
  }
}

std::span<const Event> SimExecutor::wait_until(Time deadline) {
  batch_.clear();
  change_rates();                              // what was stopped since the last call
  while (batch_.empty() && broken_.empty()) {  // some events concern only the executor: a checkpoint begins
    const Time next = queue_.next_time();
    const Time before = now_;
    const bool nothing = next > deadline || next == kNever;
    if (!nothing) {
      ORRERY_ASSERT(next >= now_, "time runs backwards: {} after {}", next.ns, now_.ns);
      now_ = next;
      const auto same_end = options_.rule != nullptr ? options_.rule->same_end : nullptr;
      bool ends = false;
      while (!queue_.empty() && (queue_.next_time() == now_ || (ends && same_end(now_, queue_.next_time())))) {
        const Due due = queue_.pop().payload;
        ends = same_end != nullptr && (ends || due.what == What::finish);
        happen(due);
      }
      change_rates();
    } else if (deadline != kNever) {
      now_ = std::max(now_, deadline);
    }
    if (!tolls_.empty() && now_ > before) take_tolls(now_ - before);
    if (nothing) break;
  }
  return batch_;
}

}  // namespace orrery
