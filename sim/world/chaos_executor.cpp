#include "sim/world/chaos_executor.hpp"

#include <algorithm>

namespace orrery {
namespace {

constexpr std::uint8_t kAnyClass = 0;

}  // namespace

ChaosExecutor::ChaosExecutor(Executor& inner, Chaos& chaos, ChaosOptions options)
    : inner_(&inner), chaos_(&chaos), options_(options), down_(inner.describe().node_count(), 0), away_(down_) {
  plan_node_failure();
}

ChaosExecutor::Gang* ChaosExecutor::find(GangId gang, JobId job, Incarnation incarnation) {
  if (job.index() >= gangs_.size()) return nullptr;
  Gang& g = gangs_[job.index()];
  return g.phase != Gang::gone && g.id == gang && g.member.incarnation == incarnation ? &g : nullptr;
}

// The jobs whose gangs are such, in order of launch.
template <class Which>
std::vector<JobId> ChaosExecutor::those(Which which) const {
  std::vector<std::pair<GangId, JobId>> found;
  for (const Gang& g : gangs_)
    if (which(g)) found.emplace_back(g.id, g.member.job);
  std::sort(found.begin(), found.end());
  std::vector<JobId> jobs;
  for (const auto& [gang, job] : found) jobs.push_back(job);
  return jobs;
}

Work& ChaosExecutor::committed(JobId job) {
  if (job.index() >= committed_.size()) committed_.resize(2 * job.index() + 1);
  return committed_[job.index()];
}

// What was saved before the gang.
Work ChaosExecutor::saved(const Gang& g) const {
  return g.member.job.index() < committed_.size() ? committed_[g.member.job.index()] : Work{};
}

// An event of our own making about a gang.
Event ChaosExecutor::event_of(const Gang& g, const event::Payload& what) const {
  return {.at = inner_->now(), .job = g.member.job, .gang = g.id, .incarnation = g.member.incarnation, .what = what};
}

void ChaosExecutor::hold(Gang& g, Duration delay, Action::Kind kind) {
  Action a;
  a.kind = kind;
  a.job = g.member.job;
  g.held = queue_.push(now() + delay, kAnyClass, a);
}

void ChaosExecutor::launch(const LaunchRequest& request) {
  for (const Member& member : request.members) {
    if (member.job.index() >= gangs_.size()) gangs_.resize(2 * member.job.index() + 1);
    Gang& g = gangs_[member.job.index()];
    g = Gang{};
    g.id = request.gang;
    g.member = member;
    if (member.config.anew) {
      committed(member.job) = Work{};
      owed_.insert(member.job);
    }
    g.member.config.anew = owed_.contains(member.job);
    g.gpus = *request.gpus;
    g.sharing = request.sharing;
    g.group = request.group;
    g.phase = Gang::held_back;
    if (chaos_->fires(ChaosSite::launch_fails)) {
      Action a;
      a.job = member.job;
      a.event = event_of(g, event::LaunchFailed{{.committed = saved(g)}});
      g.held = queue_.push(now() + chaos_->delay(ChaosSite::launch_fails, options_.pace), kAnyClass, a);
    } else if (chaos_->fires(ChaosSite::start_delayed)) {
      hold(g, chaos_->delay(ChaosSite::start_delayed, options_.pace), Action::launch);
    } else {
      pass_launch(g);
    }
  }
}

void ChaosExecutor::pass_launch(Gang& g) {
  g.phase = Gang::live;
  owed_.erase(g.member.job);
  LaunchRequest request;
  request.gang = g.id;
  request.members = {&g.member, 1};
  request.gpus = &g.gpus;
  request.sharing = g.sharing;
  request.group = g.group;
  inner_->launch(request);
}

void ChaosExecutor::stop(GangId gang, const Member& member, StopHow how, Duration grace) {
  Gang* g = find(gang, member.job, member.incarnation);
  if (g == nullptr) return inner_->stop(gang, member, how, grace);
  if (g->phase == Gang::held_back) {  // it never got as far as the inner executor
    if (g->held != Queue::kNone) queue_.cancel(g->held);
    g->held = Queue::kNone;
    Action a;
    a.job = member.job;
    a.event = event_of(*g, event::Stopped{.committed = saved(*g)});
    g->held = queue_.push(now(), kAnyClass, a);
    return;
  }
  if (g->held != Queue::kNone) {  // a stop is already held up
    if (how != StopHow::kill) return;
    queue_.cancel(g->held);
    g->held = Queue::kNone;
  }
  if (how == StopHow::checkpoint_exit) {
    if (chaos_->fires(ChaosSite::stop_ignored)) return hold(*g, grace, Action::kill);
    if (chaos_->would_fire(ChaosSite::finish_races_stop)) {
      g->races = true;
      return hold(*g, chaos_->delay(ChaosSite::finish_races_stop, options_.pace), Action::stop);
    }
    if (chaos_->fires(ChaosSite::checkpoint_lost)) how = StopHow::kill;
  }
  inner_->stop(gang, member, how, grace);
}

void ChaosExecutor::resume(GangId gang, const Member& member) {
  inner_->resume(gang, member);
}

void ChaosExecutor::command(GangId gang, const Member& member, const Command& command) {
  inner_->command(gang, member, command);
}

// A gang has ended by itself or as it was told; what was held back for it is void.
void ChaosExecutor::ended(Gang& g, Event& e) {
  if (g.held != Queue::kNone) queue_.cancel(g.held);
  g.held = Queue::kNone;
  if (g.races && e.kind() == EventKind::finished) chaos_->count(ChaosSite::finish_races_stop);
  if (const auto* failed = failure_of(e)) committed(e.job) = failed->committed;
  if (const auto* stopped = e.get_if<event::Stopped>()) {
    committed(e.job) = stopped->committed;
    const event::Failed failed{.committed = stopped->committed, .broken_off = stopped->broken_off, .node = g.broken};
    if (g.broken.valid()) e.what = failed;
  }
  g.phase = Gang::gone;
}

// The inner executor's node goes down or comes back: nobody is told while chaos keeps it down anyway.
bool ChaosExecutor::take_capacity(const Event& e) {
  const auto& [node, usable] = e.get<event::Capacity>();
  away_[node.index()] = usable == 0;
  if (usable == 0) break_held_back(node);
  return down_[node.index()] == 0;
}

// What the inner executor has not been told of fails with its node.
void ChaosExecutor::break_held_back(NodeId node) {
  for (const JobId job :
       those([node](const Gang& g) { return g.phase == Gang::held_back && g.gpus.touches(node); })) {
    Gang& g = gangs_[job.index()];
    g.broken = node;
    const event::Failed failed{.committed = saved(g), .node = node};
    Event e = event_of(g, failed);
    ended(g, e);
    batch_.push_back(e);
  }
}

void ChaosExecutor::take_in(std::span<const Event> events) {
  for (Event e : events) {
    Gang* g = e.job.valid() ? find(e.gang, e.job, e.incarnation) : nullptr;
    switch (e.kind()) {
      case EventKind::progress:
        if (chaos_->fires(ChaosSite::progress_dropped)) continue;
        if (chaos_->fires(ChaosSite::progress_late)) {
          Action late;
          late.event = e;
          queue_.push(now() + chaos_->delay(ChaosSite::progress_late, options_.pace), kAnyClass, late);
          continue;
        }
        break;
      case EventKind::capacity:
        if (!take_capacity(e)) continue;
        break;
      case EventKind::checkpointed: committed(e.job) = e.get<event::Checkpointed>().committed; break;
      case EventKind::finished:
      case EventKind::stopped:
      case EventKind::failed:
      case EventKind::launch_failed:
        if (g != nullptr) ended(*g, e);
        break;
      default: break;
    }
    batch_.push_back(e);
  }
}

// Kills what runs on the node; the deaths are taken in before the capacity is gone, as one batch.
void ChaosExecutor::node_down(NodeId node, int flaps) {
  if (down_[node.index()] != 0) return;
  down_[node.index()] = 1;
  const bool told = away_[node.index()] != 0;
  for (const JobId job : those([node](const Gang& g) { return g.phase == Gang::live && g.gpus.touches(node); })) {
    Gang& g = gangs_[job.index()];
    g.broken = node;
    inner_->stop(g.id, g.member, StopHow::kill, Duration{});
  }
  break_held_back(node);
  take_in(inner_->wait_until(now()));
  const auto dying = [this, node] {
    return std::any_of(gangs_.begin(), gangs_.end(),
                       [node](const Gang& g) { return g.phase == Gang::live && g.gpus.touches(node); });
  };
  while (dying() && inner_->broken().empty()) take_in(inner_->wait_until(kNever));  // real processes take a moment
  if (!told) batch_.push_back(Event{.at = now(), .what = event::Capacity{node, 0}});
  const bool flapping = flaps > 0;
  const ChaosSite site = flapping ? ChaosSite::node_flaps : ChaosSite::node_down;
  Action up;
  up.kind = Action::node_up;
  up.node = node;
  up.flaps = flaps;
  queue_.push(now() + chaos_->delay(site, flapping ? seconds(2) : options_.pace), kAnyClass, up);
}

void ChaosExecutor::plan_node_failure() {
  const bool any = chaos_->active(ChaosSite::node_down) || chaos_->active(ChaosSite::node_flaps);
  if (!any || node_failures_ >= options_.node_failures) return;
  ++node_failures_;
  Action a;
  a.kind = Action::node_down;
  const ChaosSite site = chaos_->active(ChaosSite::node_down) ? ChaosSite::node_down : ChaosSite::node_flaps;
  a.node = NodeId(static_cast<std::uint32_t>(chaos_->pick(site, down_.size())));
  queue_.push(now() + chaos_->delay(site, Duration{10 * options_.pace.ns}), kAnyClass, a);
}

void ChaosExecutor::act(const Action& action) {
  switch (action.kind) {
    case Action::deliver: {
      Event e = action.event;
      e.at = now();
      if (action.job.valid()) {
        Gang& g = gangs_[action.job.index()];
        g.held = Queue::kNone;
        ended(g, e);
      }
      batch_.push_back(e);
      return;
    }
    case Action::launch:
      gangs_[action.job.index()].held = Queue::kNone;
      pass_launch(gangs_[action.job.index()]);
      return;
    case Action::stop:
    case Action::kill: {
      Gang& g = gangs_[action.job.index()];
      g.held = Queue::kNone;
      const StopHow how = action.kind == Action::kill ? StopHow::kill : StopHow::checkpoint_exit;
      inner_->stop(g.id, g.member, how, Duration{});
      return;
    }
    case Action::node_down:
      if (action.flaps > 0) {
        node_down(action.node, action.flaps);
        return;
      }
      if (chaos_->fires(ChaosSite::node_flaps))
        node_down(action.node, 3);
      else if (chaos_->fires(ChaosSite::node_down))
        node_down(action.node, 0);
      plan_node_failure();
      return;
    case Action::node_up: {
      down_[action.node.index()] = 0;
      const event::Capacity back{action.node, inner_->describe().node(action.node).gpus};
      if (away_[action.node.index()] == 0) batch_.push_back(Event{.at = now(), .what = back});
      if (action.flaps <= 1) return;
      Action again = action;
      again.kind = Action::node_down;
      again.flaps -= 1;
      queue_.push(now() + chaos_->delay(ChaosSite::node_flaps, seconds(2)), kAnyClass, again);
      return;
    }
  }
}

std::span<const Event> ChaosExecutor::wait_until(Time deadline) {
  batch_.clear();
  while (true) {
    const Time until = std::min(deadline, queue_.next_time());
    const std::span<const Event> happened = inner_->wait_until(until);
    const bool nothing_left = until == kNever && happened.empty();
    take_in(happened);
    while (!queue_.empty() && queue_.next_time() <= now()) act(queue_.pop().payload);
    if (!batch_.empty() || nothing_left || now() >= deadline || !inner_->broken().empty()) return batch_;
  }
}

}  // namespace orrery
