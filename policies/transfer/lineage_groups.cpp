#include "policies/transfer/lineage_groups.hpp"

#include <algorithm>
#include <utility>

namespace orrery {
namespace {

constexpr std::int64_t kTwoSteps = 2000;  // per mille of a step alone: two, nothing of which is shared

}  // namespace

bool LineageGroups::mergeable(const JobSpec& spec) const {
  return options_.on && !spec.after.empty() && spec.min_gpus == spec.max_gpus && spec.demand.gpus > 0 &&
         spec.demand.milli_per_gpu == kMilliPerGpu && spec.merging.step_per_mille > 0 &&
         kTwoSteps - spec.merging.step_per_mille <= options_.sigma_per_mille;
}

// With the version by its number; without one where there is none, or none is known.
RunConfig LineageGroups::start_of(const ClusterView& view, const JobView& job, const LineageGains& gains) const {
  if (const auto at = began_.find(job.id()); at != began_.end()) return at->second;
  if (job.done.ns > 0) return {};
  RunConfig config = gains.choose(view, *job.spec);
  const LineageGains::Start start = LineageGains::start_of(view, *job.spec, config);
  if (start.edge == LineageGains::kNoEdge) return {};
  config.start_parent = job.spec->after[start.edge].parent;
  config.start_version = static_cast<std::uint32_t>(view.versions(config.start_parent).size());
  return config;
}

void LineageGroups::follow(const ClusterView& view, const Event& e) {
  if (!options_.on || !e.job.valid()) return;
  if (enters_queue(e.kind()) && view.target(e.job) != nullptr) adopt(view, e.job);
  const auto at = members_.find(e.job);
  switch (e.kind()) {
    case EventKind::started:
      if (at == members_.end()) return;
      changed_.push_back(at->second);
      return;
    case EventKind::failed:
    case EventKind::launch_failed:
    case EventKind::called_off:
    case EventKind::cancel:
    case EventKind::reject:
    case EventKind::finished:
      if (at != members_.end() && view.target(e.job) == nullptr) leave(e.job);
      break;
    default: return;
  }
  if (is_final(view.state(e.job))) began_.erase(e.job);
}

// It runs by another object's decision.
void LineageGroups::adopt(const ClusterView& view, JobId job) {
  const Target& t = *view.target(job);
  if (t.sharing != Sharing::merged || members_.count(job) > 0) return;
  groups_ = std::max(groups_, t.group.value + 1);
  gangs_.try_emplace(t.group, Gang{{}, t.gpus, t.config});
  join(t.group, job);
  began_[job] = t.config;
}

void LineageGroups::join(GroupId group, JobId job) {
  gangs_.at(group).members.push_back(job);
  members_[job] = group;
}

void LineageGroups::leave(JobId job) {
  const auto member = members_.find(job);
  const auto gang = gangs_.find(member->second);
  members_.erase(member);
  std::erase(gang->second.members, job);
  changed_.push_back(gang->first);  // one without members has no leader
  if (gang->second.members.empty()) gangs_.erase(gang);
}

std::vector<JobId> LineageGroups::take_changed() {
  std::vector<JobId> leaders;
  std::sort(changed_.begin(), changed_.end());
  changed_.erase(std::unique(changed_.begin(), changed_.end()), changed_.end());
  for (const GroupId group : changed_)
    if (const auto gang = gangs_.find(group); gang != gangs_.end()) leaders.push_back(gang->second.members.front());
  changed_.clear();
  return leaders;
}

std::span<const JobId> LineageGroups::companions(JobId leader) const {
  const auto at = members_.find(leader);
  if (at == members_.end()) return {};
  const std::vector<JobId>& members = gangs_.at(at->second).members;
  return members.front() == leader ? std::span(members).subspan(1) : std::span<const JobId>();
}

bool LineageGroups::follows(JobId job) const {
  const auto at = members_.find(job);
  return at != members_.end() && gangs_.at(at->second).members.front() != job;
}

GroupId LineageGroups::begins(const ClusterView& view, const PlanBuilder& plan, JobId job, RunConfig& config) {
  const JobView v = view.job(job);
  if (!mergeable(*v.spec)) return kNoGroup;
  RunConfig named = config;
  if (const auto at = began_.find(job); at != began_.end() && v.done.ns > 0) {
    named = at->second;
  } else {
    const LineageGains::Start start = LineageGains::start_of(view, *v.spec, config);
    if (v.done.ns > 0 || start.edge == LineageGains::kNoEdge) return kNoGroup;
    named.start_parent = v.spec->after[start.edge].parent;
    if (named.start_version == 0)
      named.start_version = static_cast<std::uint32_t>(view.versions(named.start_parent).size());
  }
  config = named;
  began_[job] = config;
  const GroupId group(groups_++);
  gangs_[group] = {{}, *plan.planned(job), config};
  join(group, job);
  return group;
}

std::vector<JobId> LineageGroups::preempted(JobId leader) {
  const auto at = members_.find(leader);
  if (at == members_.end()) return {};
  const auto gang = gangs_.find(at->second);
  const std::vector<JobId> members = gang->second.members;
  for (const JobId job : members) members_.erase(job);
  gangs_.erase(gang);
  return {members.begin() + 1, members.end()};
}

bool LineageGroups::drops(PlanBuilder& plan, JobId job) {
  if (members_.count(job) == 0) return false;
  const Target t = *plan.target(job);
  leave(job);
  began_.erase(job);
  if (plan.run(job, t.gpus, t.config)) return false;
  plan.preempt(job);
  return true;
}

}  // namespace orrery
