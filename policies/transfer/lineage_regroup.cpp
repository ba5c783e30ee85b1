// Who is merged: the half of LineageGroups that decides.
#include <algorithm>
#include <utility>

#include "policies/transfer/lineage_groups.hpp"

namespace orrery {
namespace {

constexpr Duration kEvery = seconds(60);   // how often groups are reconsidered
constexpr double kMoves = 60;              // s: a member stops here and starts there
constexpr std::size_t kMostVertices = 32;  // of a bucket
constexpr std::size_t kMostGangs = 24;     // of these, so that some who wait are among them
constexpr std::size_t kMostAtOnce = 256;   // of all buckets that one decision matches; the others are next
constexpr std::size_t kMostQueued = 256;   // who are looked at, in order of rank

}  // namespace

std::vector<LineageGroups::Merged> LineageGroups::regroup(const ClusterView& view, PlanBuilder& plan,
                                                          const Opinion& of) {
  next_ = kNever;
  std::vector<Merged> merged;
  if (!options_.on || gangs_.empty() || of.gpu_price <= 0) return merged;
  if (last_.ns >= 0 && view.now < last_ + kEvery) {
    next_ = last_ + kEvery;
    return merged;
  }
  last_ = view.now;
  const std::map<Bucket, Candidates> buckets = collect(view, plan, of);
  auto at = after_ ? buckets.upper_bound(*after_) : buckets.begin();
  std::size_t matched = 0, left = buckets.size();
  for (; left > 0 && matched < kMostAtOnce; --left) {
    if (at == buckets.end()) at = buckets.begin();
    const auto& [bucket, c] = *at++;
    matched += std::min(c.gangs.size() + c.waiting.size(), kMostVertices);
    decide(view, plan, of, c, merged);
    after_ = bucket;
  }
  if (left > 0)
    next_ = last_ + kEvery;
  else
    after_.reset();
  return merged;
}

std::map<LineageGroups::Bucket, LineageGroups::Candidates> LineageGroups::collect(const ClusterView& view,
                                                                                  const PlanBuilder& plan,
                                                                                  const Opinion& of) {
  const auto bucket_of = [&view](JobId job, const RunConfig& config) {
    const JobSpec& spec = view.spec(job);
    return Bucket{config.start_parent, config.start_version, spec.model, spec.demand_class};
  };
  std::map<Bucket, Candidates> buckets;
  for (auto& [group, gang] : gangs_) {
    const Allocation* gpus = plan.planned(gang.members.front());
    if (gpus == nullptr) continue;
    gang.gpus = *gpus;
    buckets[bucket_of(gang.members.front(), gang.config)].gangs.push_back(group);
  }
  std::vector<QueuedJob> queue;
  std::vector<std::pair<std::size_t, Candidates*>> fitting;
  std::vector<JobId> queued;
  ClassScan<Rank> scan;
  for (scan.begin(of.jobs.waiting()); !scan.done() && queue.size() < kMostQueued; scan.take()) {
    const JobView v = view.job(scan.head().second);
    const Duration left = of.gains.remaining(view, v);
    if (left == kForever) continue;
    queued.push_back(v.id());
    queue.push_back({v.gpus(), to_seconds(left)});
    if (!mergeable(*v.spec)) continue;
    const auto at = buckets.find(bucket_of(v.id(), start_of(view, v, of.gains)));
    if (at != buckets.end()) fitting.emplace_back(queue.size() - 1, &at->second);
  }
  if (!fitting.empty()) {
    const std::vector<double> waits = expected_waits(plan.free().free_gpus(), running_ends(of.jobs, view.now), queue);
    for (const auto& [place, candidates] : fitting)
      if (waits[place] < to_seconds(kForever)) candidates->waiting.emplace_back(queued[place], waits[place]);
  }
  std::erase_if(buckets, [](const auto& b) { return b.second.gangs.size() + b.second.waiting.size() < 2; });
  return buckets;
}

MergeMember LineageGroups::member_of(const ClusterView& view, JobId job, const Gang& gang, const Opinion& of) {
  const JobSpec& spec = view.spec(job);
  return {job,         to_seconds(of.gains.remaining(view, view.job(job))),     0,
          spec.weight, view.predict->merged_part(spec, gang.gpus, gang.config), spec.merging};
}

void LineageGroups::decide(const ClusterView& view, PlanBuilder& plan, const Opinion& of, const Candidates& c,
                           std::vector<Merged>& merged) {
  std::vector<MergeVertex> vertices;
  std::vector<GroupId> group_of;
  MergeBounds bounds;
  bounds.k_max = static_cast<std::size_t>(options_.k_max);
  bounds.sigma_max = static_cast<double>(options_.sigma_per_mille) / 1000;
  bounds.gpu_price = of.gpu_price;
  bounds.move_s = kMoves;
  for (const GroupId group : c.gangs) {
    const Gang& gang = gangs_.at(group);
    if (vertices.size() == kMostGangs) break;
    MergeVertex v;
    v.runs = true;
    for (const JobId job : gang.members) {
      v.members.push_back(member_of(view, job, gang, of));
      v.may_move = v.may_move && view.state(job) == JobState::running && !of.settled(job);
    }
    bounds.gpus = gang.gpus.gpu_count();
    const std::int64_t bytes = least_gpu_memory(*view.topology, gang.gpus);
    if (bounds.gpu_bytes == 0 || (bytes > 0 && bytes < bounds.gpu_bytes)) bounds.gpu_bytes = bytes;
    vertices.push_back(std::move(v));
    group_of.push_back(group);
  }
  const Gang& like = gangs_.at(c.gangs.front());
  for (const auto& [job, wait_s] : c.waiting) {
    if (vertices.size() == kMostVertices) break;
    if (!of.admits(job)) continue;
    MergeVertex v;
    v.members.push_back(member_of(view, job, like, of));
    v.wait_s = wait_s;
    vertices.push_back(std::move(v));
    group_of.push_back(kNoGroup);
  }
  const auto [into, saved_s] = merge_groups(vertices, bounds);
  for (std::size_t i = 0; i < vertices.size(); ++i) {
    if (into[i] == i) continue;
    const auto saved = static_cast<std::int64_t>(saved_s[into[i]] * bounds.gpus);
    for (const MergeMember& m : vertices[i].members)
      if (put(plan, m.job, group_of[into[i]], !vertices[i].runs, merged))
        plan.reason({m.job, ReasonCode::merged, saved, merged.back().leader, 0});
  }
}

// One whose CPUs or memory the nodes do not have stays where it is.
bool LineageGroups::put(PlanBuilder& plan, JobId job, GroupId into, bool waited, std::vector<Merged>& merged) {
  const Gang& gang = gangs_.at(into);
  if (!plan.run(job, gang.gpus, gang.config, Sharing::merged, into)) return false;
  if (!waited) leave(job);
  join(into, job);
  began_[job] = gang.config;
  changed_.push_back(into);
  merged.push_back({job, gang.members.front(), gang.config, waited});
  return true;
}

}  // namespace orrery
