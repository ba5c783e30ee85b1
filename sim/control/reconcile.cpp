#include "sim/control/reconcile.hpp"

#include <algorithm>
#include <utility>

#include "sim/control/gangs.hpp"

namespace orrery {
namespace {

// Whether a job that holds GPUs holds them as its target says. A member more of a target does not compile here until
// it is compared.
bool as_wanted(const JobRecord& r) {
  const auto& [act, gpus, config, group, sharing] = r.target;
  return gpus == r.held && config == r.held_config && group == r.held_group && sharing == r.held_sharing;
}

}  // namespace

Reconciler::Reconciler(ClusterState& state, Executor& executor, Duration stop_grace, Emit emit)
    : state_(&state),
      executor_(&executor),
      stop_grace_(stop_grace),
      emit_(std::move(emit)),
      waiting_on_(state.physical().topology().node_count()) {}

Reconciler::Reconciler(ClusterState& state, Executor& executor, Duration stop_grace, Emit emit, Pending pending)
    : state_(&state),
      executor_(&executor),
      stop_grace_(stop_grace),
      emit_(std::move(emit)),
      work_(std::move(pending.work)),
      endings_(std::move(pending.endings)),
      commands_(std::move(pending.commands)),
      waiting_on_(std::move(pending.waiting_on)),
      next_gang_(pending.next_gang) {}

void Reconciler::targets_changed(const Plan& plan) {
  for (const auto& [job, target] : plan.targets) {
    if (target.act == Act::reject || target.act == Act::cancel) endings_.emplace_back(job, target.act);
    work_.push_back(job);
  }
  commands_.insert(commands_.end(), plan.commands.begin(), plan.commands.end());
}

void Reconciler::record(JobId job, Time now, const event::Payload& what) {
  const JobRecord& r = state_->record(job);
  emit_(Event{.at = now, .job = job, .gang = r.gang, .incarnation = r.incarnation, .what = what});
}

Member Reconciler::member(JobId job) const {
  const JobRecord& r = state_->record(job);
  return {job, r.incarnation, r.held_config};
}

void Reconciler::stop(JobId job, Time now, StopHow how, bool by_policy) {
  state_->stopping(job, now, by_policy);
  record(job, now, event::Stop{});
  const JobRecord& r = state_->record(job);
  executor_->stop(r.gang, member(job), how, stop_grace_);
}

void Reconciler::stop_if_needed(JobId job, Time now) {
  const JobRecord& r = state_->record(job);
  if (!holds_gpus(r.state) || r.state == JobState::stopping) return;
  if (r.has_target && as_wanted(r)) {
    if (r.target.act == Act::suspend && r.state == JobState::running) {
      record(job, now, event::Suspend{});
      executor_->stop(r.gang, member(job), StopHow::suspend, stop_grace_);
    } else if (r.target.act == Act::run && r.state == JobState::suspended) {
      record(job, now, event::Resume{});
      executor_->resume(r.gang, member(job));
    }
    return;
  }
  // What it is to drop needs no checkpoint.
  const bool drops = r.has_target && r.target.act == Act::run && r.target.config.anew;
  stop(job, now, drops ? StopHow::kill : StopHow::checkpoint_exit, true);
}

void Reconciler::wait_for(JobId job, const Target& target) {
  for (const NodeSlice& s : target.gpus.slices()) {
    Allocation one;
    one.add(s);
    if (state_->physical().can_take(one, target.sharing, target.group)) continue;
    waiting_on_[s.node.index()].push_back(job);
    return;
  }
}

// A gang whose members all leave is joined by nobody, nor is one that is on other GPUs: both will be gone.
bool Reconciler::may_join(const std::vector<JobId>& gang, const Target& target) const {
  if (!same_gpus(state_->record(gang.front()).held, target.gpus)) return false;
  return std::any_of(gang.begin(), gang.end(),
                     [this](JobId other) { return state_->record(other).state != JobState::stopping; });
}

void Reconciler::launch_if_possible(JobId job, Time now) {
  const JobRecord& r = state_->record(job);
  if (r.state != JobState::pending || !r.has_target || r.target.act != Act::run) return;
  if (!state_->physical().can_take(r.target.gpus, r.target.sharing, r.target.group)) {
    wait_for(job, r.target);
    return;
  }
  const std::vector<JobId>* const there =
      r.target.sharing == Sharing::merged ? state_->merged(r.target.group) : nullptr;
  if (there != nullptr && !may_join(*there, r.target)) {  // it looks again when one of them is gone
    waiting_on_[state_->record(there->front()).held.slices().front().node.index()].push_back(job);
    return;
  }
  const RunConfig config = r.target.config;
  state_->launch(job, now, there != nullptr ? state_->record(there->front()).gang : GangId(next_gang_++));
  record(job, now, event::Launch{&r.held, config.anew, config.host, config.fill_per_mille});
  const Member one{job, r.incarnation, config};
  LaunchRequest request;
  request.gang = r.gang;
  request.members = {&one, 1};
  request.gpus = &r.held;
  request.sharing = r.held_sharing;
  request.group = r.held_group;
  executor_->launch(request);
}

// To a gang that runs; what a job without one is told is refused, as an executor refuses.
void Reconciler::pass_on(const Command& command, Time now) {
  const JobRecord& r = state_->record(command.job);
  if (r.state != JobState::running) return record(command.job, now, event::CommandFailed{Refusal::not_running});
  executor_->command(r.gang, member(command.job), command);
}

void Reconciler::act(Time now) {
  do {  // a host that stops takes its fillers with it
    act_once(now);
  } while (!work_.empty());
  for (const Command& c : commands_) pass_on(c, now);
  commands_.clear();
}

void Reconciler::act_once(Time now) {
  for (const auto& [job, act] : endings_) {
    const JobState state = state_->record(job).state;
    if (is_final(state)) continue;
    if (act == Act::cancel && holds_gpus(state)) {  // `cancel` follows when it holds nothing any more
      if (state != JobState::stopping) stop(job, now, StopHow::kill, false);
      continue;
    }
    if (act == Act::cancel) {
      state_->cancel(job, now);
      record(job, now, event::Cancel{});
    } else {
      state_->reject(job, now);
      record(job, now, event::Reject{Rejection::declined});
    }
  }
  endings_.clear();

  for (const NodeId n : state_->freed_nodes()) {
    auto& waiting = waiting_on_[n.index()];
    work_.insert(work_.end(), waiting.begin(), waiting.end());
    waiting.clear();
  }
  state_->freed_nodes().clear();

  round_.swap(work_);
  work_.clear();
  for (const JobId job : round_) stop_if_needed(job, now);
  for (const JobId job : round_) launch_if_possible(job, now);
  round_.clear();
}

}  // namespace orrery
