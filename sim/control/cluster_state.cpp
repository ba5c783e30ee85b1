#include "sim/control/cluster_state.hpp"

#include <algorithm>

#include "sim/control/gangs.hpp"
#include "sim/core/assert.hpp"

namespace orrery {

ClusterState::ClusterState(const Topology& topology, const std::vector<JobSpec>& specs, const DemandTable& demands,
                           const Predictor& predict, std::uint32_t retry_budget)
    : specs_(specs.data()),
      topology_(&topology),
      demands_(&demands),
      predict_(&predict),
      retry_budget_(retry_budget),
      records_(specs.size()),
      physical_(topology),
      planned_(topology),
      unfinished_(specs.size()) {
  if (topology.gpu_types().size() > 1) attained_on_.resize(specs.size());
  for (const JobSpec& spec : specs) {
    records_[spec.id.index()].spec = &spec;
    if (spec.features.set != 0) spared_.resize(specs.size());
    if (spec.after.empty()) continue;
    published_.resize(specs.size());
    inherited_.resize(specs.size());
  }
}

// Leaves the present state (adding up the time spent in it) and enters `to`.
void ClusterState::move(JobRecord& r, JobState to, Time now) {
  ORRERY_ASSERT(legal_move(r.state, to), "job {} may not go from {} to {} at {} ns", r.spec->id.value,
                to_string(r.state), to_string(to), now.ns);
  const Duration spent = now - r.since;
  if (r.state == JobState::running) {
    r.ran_before += spent;
    r.attained_before += gpu_time(spent, own_milli_gpus(r));
    if (!attained_on_.empty() && r.held_sharing != Sharing::filler) {
      std::vector<GpuTime>& by_type = attained_on_[r.spec->id.index()];
      by_type.resize(topology_->gpu_types().size());
      for (const NodeSlice& s : r.held.slices())
        by_type[topology_->node(s.node).type] += gpu_time(spent, s.milli_gpus());
    }
  } else if (r.state == JobState::pending || r.state == JobState::submitted) {
    r.waited_before += spent;
  }
  const bool stepped = r.state == JobState::running || to == JobState::running;
  r.state = to;
  r.since = now;
  if (stepped && r.held_sharing == Sharing::merged) share_steps(r, now);
  if (stepped && r.held_sharing == Sharing::filler) fill_steps(r, now);
}

void ClusterState::release_held(JobRecord& r) {
  physical_.give(r.held, r.held_sharing, r.held_group);
  for (const NodeSlice& s : r.held.slices()) freed_.push_back(s.node);
  --holders_;
  r.held.clear();
  features_.leave(r.spec->id);
  if (r.held_sharing != Sharing::merged) return;
  const auto gang = merged_.find(r.held_group);
  std::erase(gang->second, r.spec->id);
  if (gang->second.empty()) merged_.erase(gang);
}

void ClusterState::drop_target(JobRecord& r) {
  if (!r.has_target) return;
  planned_.give(r.target.gpus, r.target.sharing, r.target.group);
  leave_group(r);
  r.has_target = false;
  active_.erase(r.spec->id);
}

void ClusterState::back_to_pending(JobRecord& r, Time now) {
  move(r, JobState::pending, now);  // before the release: what it attained is counted by what it holds
  release_held(r);
  if (!r.has_target && !r.cancelling) pending_.insert(r.spec->id);
}

void ClusterState::end(JobRecord& r, JobState how, Time now) {
  const bool held = holds_gpus(r.state);
  move(r, how, now);
  if (held) release_held(r);
  drop_target(r);
  pending_.erase(r.spec->id);
  blocked_.erase(r.spec->id);
  --unfinished_;
}

void ClusterState::publish(JobId job, std::int32_t progress_per_mille, Time now) {
  if (published_.empty()) return;
  std::vector<Version>& all = published_[job.index()];
  all.push_back({static_cast<std::uint32_t>(all.size() + 1), progress_per_mille, now});
}

bool ClusterState::apply(const Event& event) {
  if (event.kind() == EventKind::timer || event.kind() == EventKind::slowed) return true;
  if (event.kind() == EventKind::capacity) {
    const auto& [node, usable] = event.get<event::Capacity>();
    physical_.set_down(node, usable == 0);
    planned_.set_down(node, usable == 0);
    if (usable != 0) freed_.push_back(node);
    return true;
  }
  if (event.kind() == EventKind::features && !event.job.valid()) {
    features_.note(event, nullptr);
    return true;
  }
  JobRecord& r = mutable_record(event.job);
  const Time now = event.at;
  if (event.kind() == EventKind::submit) {
    ORRERY_ASSERT(!r.known, "job {} submitted twice", event.job.value);
    r.known = true;
    r.since = now;
    if (const auto estimate = event.get<event::Submit>().estimate) r.estimate = Estimate{*estimate};
    blocked_.insert(event.job);
    return true;
  }
  if (event.kind() == EventKind::ready) {
    if (is_final(r.state)) return false;
    r.ready = true;
    blocked_.erase(event.job);
    move(r, JobState::pending, now);
    pending_.insert(event.job);
    return true;
  }
  if (event.incarnation != r.incarnation || is_final(r.state)) return false;
  switch (event.kind()) {
    case EventKind::started:
      if (r.state == JobState::stopping) return true;  // it crossed the stop on its way
      hear(r, r.done, now);
      move(r, JobState::running, now);
      return true;
    case EventKind::progress: return note_progress(r, event.get<event::Progress>(), now);
    case EventKind::checkpointed:
      if (r.state != JobState::running && r.state != JobState::stopping) return false;
      r.committed = event.get<event::Checkpointed>().committed;
      hear(r, r.committed, now);
      return true;
    case EventKind::reconfigured: reconfigure(r, event.get<event::Reconfigured>(), now); return true;
    case EventKind::preprocessing: r.cpu_per_sample = event.get<event::Preprocessing>().cpu_per_sample; return true;
    case EventKind::inherited:
      if (!inherited_.empty()) inherited_[event.job.index()] = event.get<event::Inherited>();
      return true;
    case EventKind::assessed: return r.state == JobState::running;  // what was dropped meanwhile says nothing
    case EventKind::features: {
      features_.note(event, r.spec);
      const auto& says = event.get<event::Features>();
      if (says.use != FeatureUse::hit || spared_.empty()) return true;
      // Of live jobs, which make all of their steps, nobody knows beforehand how long the pass is.
      spared_[event.job.index()] = spared_[event.job.index()] + Work{std::min(says.time, r.spec->features.time).ns};
      return true;
    }
    case EventKind::published: publish(event.job, event.get<event::Published>().per_mille, now); return true;
    case EventKind::finished:
      settle(r, now);
      publish(event.job, 1000, now);
      end(r, JobState::finished, now);
      return true;
    case EventKind::stopped:
      r.committed = event.get<event::Stopped>().committed;
      hear(r, r.committed, now);
      back_to_pending(r, now);
      return true;
    case EventKind::suspended:
      settle(r, now);
      move(r, JobState::suspended, now);
      return true;
    case EventKind::resumed:
      r.done_at = now;
      move(r, JobState::running, now);
      return true;
    case EventKind::launch_failed:
    case EventKind::failed:
      r.committed = failure_of(event)->committed;
      hear(r, r.committed, now);
      if (!failure_of(event)->node.valid()) r.failures += 1;  // a node that goes down is not the job's fault
      if (r.failures > retry_budget_) {
        end(r, JobState::failed, now);
        return true;
      }
      drop_target(r);
      back_to_pending(r, now);
      return true;
    default: return true;
  }
}

void ClusterState::accept(const Plan& plan) {
  for (const auto& [job, target] : plan.targets) leave_group(records_[job.index()]);
  for (const auto& [job, target] : plan.targets) {
    JobRecord& r = mutable_record(job);
    ORRERY_ASSERT(r.known && !is_final(r.state), "plan names job {}, which is {}", job.value,
                  r.known ? to_string(r.state) : "not submitted");
    switch (target.act) {
      case Act::run:
      case Act::suspend:
        ORRERY_ASSERT(r.ready, "plan runs job {}, whose parents are not ready", job.value);
        r.target = target;
        r.has_target = true;
        join_group(job, target);
        pending_.erase(job);
        active_.insert(job);
        break;
      case Act::preempt:
        r.has_target = false;
        active_.erase(job);
        if (r.ready) pending_.insert(job);
        break;
      case Act::cancel:
        r.cancelling = true;
        pending_.erase(job);
        [[fallthrough]];
      case Act::reject:
        r.has_target = false;
        active_.erase(job);
        break;
    }
  }
  for (const auto& [job, target] : plan.targets)
    if (target.sharing == Sharing::filler) check_filler(job);
}

// The jobs of a group that are to be merged are to hold the same GPUs.
void ClusterState::join_group(JobId job, const Target& t) {
  if (t.sharing == Sharing::filler) return join_host(job, t.config.host);
  if (t.sharing != Sharing::merged) return;
  auto& [gpus, members] = groups_[t.group];
  ORRERY_ASSERT(members == 0 || same_gpus(gpus, t.gpus),
                "job {} is to be merged with others on {}, they are to be on {}", job.value, t.gpus.to_string(),
                gpus.to_string());
  gpus = t.gpus;
  ++members;
}

void ClusterState::leave_group(const JobRecord& r) {
  if (r.has_target && r.target.sharing == Sharing::filler) return leave_host(r);
  if (!r.has_target || r.target.sharing != Sharing::merged) return;
  const auto group = groups_.find(r.target.group);
  if (--group->second.members == 0) groups_.erase(group);
}

void ClusterState::launch(JobId job, Time now, GangId gang) {
  JobRecord& r = mutable_record(job);
  physical_.take(r.target.gpus, r.target.sharing, r.target.group);
  ++holders_;
  move(r, JobState::starting, now);
  r.held = r.target.gpus;
  r.held_sharing = r.target.sharing;
  r.held_group = r.target.group;
  r.held_config = r.target.config;
  r.gang = gang;
  if (r.held_sharing == Sharing::merged) merged_[r.held_group].push_back(job);
  if (r.incarnation > 0) r.restarts += 1;
  r.incarnation += 1;
  r.measured.reset();
  if (r.target.config.anew) begin_anew(r, now);
  if (r.done.ns == 0 && !inherited_.empty()) inherited_[job.index()] = {};  // it says so again
  if (r.done.ns == 0 && !spared_.empty()) spared_[job.index()] = {};        // likewise
}

void ClusterState::stopping(JobId job, Time now, bool by_policy) {
  JobRecord& r = mutable_record(job);
  settle(r, now);
  move(r, JobState::stopping, now);
  if (by_policy) r.preemptions += 1;
}

void ClusterState::reject(JobId job, Time now) {
  end(mutable_record(job), JobState::rejected, now);
}

void ClusterState::cancel(JobId job, Time now) {
  JobRecord& r = mutable_record(job);
  ORRERY_ASSERT(!holds_gpus(r.state), "job {} is cancelled while it holds {}", job.value, r.held.to_string());
  end(r, JobState::cancelled, now);
}

void ClusterState::call_off(JobId job) {
  JobRecord& r = mutable_record(job);
  drop_target(r);
  pending_.insert(job);
}

ClusterView ClusterState::view(Time now, std::uint64_t epoch, std::span<const Event> since_last) const {
  ClusterView v(ViewTables{&records_, &pending_, &blocked_, &active_, &published_, &merged_, &attained_on_,
                           &features_, &fillers_});
  v.now = now;
  v.epoch = epoch;
  v.topology = topology_;
  v.physical = &physical_;
  v.since_last = since_last;
  v.predict = predict_;
  v.demands = demands_;
  return v;
}

// Merged jobs: those that are to be, and those that hold GPUs, who are in one gang.
void ClusterState::check_groups() const {
  std::map<GroupId, std::size_t> wanted, there;
  std::size_t holders = 0;
  for (const JobRecord& r : records_) {
    const JobId id = r.spec->id;
    if (r.has_target && r.target.sharing == Sharing::merged) {
      ++wanted[r.target.group];
      const auto group = groups_.find(r.target.group);
      ORRERY_ASSERT(group != groups_.end() && same_gpus(group->second.gpus, r.target.gpus),
                    "job {} is to be merged on {}, its group is not", id.value, r.target.gpus.to_string());
    }
    if (!holds_gpus(r.state)) continue;
    ++holders;
    if (r.held_sharing != Sharing::merged) continue;
    ++there[r.held_group];
    const std::vector<JobId>* const gang = merged(r.held_group);
    const bool listed = gang != nullptr && std::find(gang->begin(), gang->end(), id) != gang->end();
    ORRERY_ASSERT(listed, "job {} is merged, but not in the list of its group", id.value);
    const JobRecord& first = record(gang->front());
    ORRERY_ASSERT(first.gang == r.gang && same_gpus(first.held, r.held), "job {} is merged in gang {} on {}, not {}",
                  id.value, r.gang.value, r.held.to_string(), first.gang.value);
  }
  ORRERY_ASSERT(wanted.size() == groups_.size() && there.size() == merged_.size() && holders == holders_,
                "{} groups to be merged, {} merged, {} holders; rebuilt {} {} {}", groups_.size(), merged_.size(),
                holders_, wanted.size(), there.size(), holders);
  for (const auto& [group, members] : wanted)
    ORRERY_ASSERT(groups_.at(group).members == members, "group {}: {} to be merged, rebuilt {}", group.value,
                  groups_.at(group).members, members);
  for (const auto& [group, members] : there)
    ORRERY_ASSERT(merged_.at(group).size() == members, "group {}: {} merged, rebuilt {}", group.value,
                  merged_.at(group).size(), members);
}

void ClusterState::check_against_rebuild() const {
  check_groups();
  check_hosts();
  Inventory physical(*topology_);
  Inventory planned(*topology_);
  std::size_t unfinished = 0;
  std::size_t pending = 0;
  std::size_t blocked = 0;
  std::size_t active = 0;
  for (std::size_t i = 0; i < topology_->node_count(); ++i) {
    const NodeId n(static_cast<std::uint32_t>(i));
    ORRERY_ASSERT(physical_.is_down(n) == planned_.is_down(n), "node {} is down in one inventory only", i);
  }
  for (const JobRecord& r : records_) {
    const JobId id = r.spec->id;
    if (!is_final(r.state)) ++unfinished;
    if (holds_gpus(r.state)) physical.take(r.held, r.held_sharing, r.held_group);
    ORRERY_ASSERT(holds_gpus(r.state) != r.held.empty(), "job {} is {} and holds {}", id.value, to_string(r.state),
                  r.held.to_string());
    if (r.has_target) planned.take(r.target.gpus, r.target.sharing, r.target.group);
    GpuTime on_all_types;
    if (!attained_on_.empty())
      for (const GpuTime on_one : attained_on_[id.index()]) on_all_types += on_one;
    ORRERY_ASSERT(attained_on_.empty() || on_all_types == r.attained_before,
                  "job {}: what it attained on GPUs of each type is not what it attained", id.value);
    const bool live = r.known && !is_final(r.state);
    const bool is_active = live && r.has_target;
    const bool is_pending = live && r.ready && !r.has_target && !r.cancelling;
    const bool is_blocked = live && !r.ready;
    ORRERY_ASSERT(active_.contains(id) == is_active, "job {} in the active list: {}", id.value, !is_active);
    ORRERY_ASSERT(pending_.contains(id) == is_pending, "job {} in the pending list: {}", id.value, !is_pending);
    ORRERY_ASSERT(blocked_.contains(id) == is_blocked, "job {} in the blocked list: {}", id.value, !is_blocked);
    active += is_active ? 1 : 0;
    pending += is_pending ? 1 : 0;
    blocked += is_blocked ? 1 : 0;
  }
  ORRERY_ASSERT(active == active_.size() && pending == pending_.size() && blocked == blocked_.size(),
                "list sizes {} {} {}, rebuilt {} {} {}", active_.size(), pending_.size(), blocked_.size(), active,
                pending, blocked);
  ORRERY_ASSERT(unfinished == unfinished_, "{} unfinished, rebuilt {}", unfinished_, unfinished);
  for (std::size_t i = 0; i < topology_->node_count(); ++i) {
    const NodeId n(static_cast<std::uint32_t>(i));
    if (physical_.is_down(n)) continue;
    ORRERY_ASSERT(physical_.free_mask(n) == physical.free_mask(n), "node {}: {} GPUs physically free, rebuilt {}", i,
                  physical_.free_on(n), physical.free_on(n));
    ORRERY_ASSERT(planned_.free_mask(n) == planned.free_mask(n), "node {}: {} GPUs planned free, rebuilt {}", i,
                  planned_.free_on(n), planned.free_on(n));
    ORRERY_ASSERT(physical_.free_cpu_milli(n) == physical.free_cpu_milli(n) &&
                      physical_.free_mem_bytes(n) == physical.free_mem_bytes(n),
                  "node {}: CPUs or memory differ from the rebuilt state", i);
  }
}

}  // namespace orrery
