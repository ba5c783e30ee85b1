#include "policies/transfer/lineage_merge.hpp"

#include <algorithm>
#include <functional>
#include <limits>
#include <queue>

#include "policies/parts/weighted_matching.hpp"

namespace orrery {
namespace {

constexpr double kNever_s = std::numeric_limits<double>::infinity();
constexpr double kEdgeUnits = 1000;  // of a matching's integers, per weight x second
constexpr double kLeastWorth = 0.5 / kEdgeUnits;

// A step of these members, with their steps alone; one each where one of these is not known.
struct GangStep {
  double seconds = 0;
  bool known = true;
  [[nodiscard]] double alone(const MergeMember& m) const {
    return known ? static_cast<double>(m.part.alone.ns) * 1e-9 : 1;
  }
};
GangStep step_of(std::span<const MergedPart> parts) {
  GangStep s;
  s.known = std::all_of(parts.begin(), parts.end(), [](const MergedPart& p) { return p.alone.ns > 0; });
  s.seconds = static_cast<double>(merged_step(parts)) / 1000 * (s.known ? 1e-9 : 1);
  return s;
}

std::vector<double> ends_of(const MergeVertex& v) {
  std::vector<double> ends = gang_ends(v.members);
  for (double& end : ends) end += v.runs ? 0 : v.wait_s;
  return ends;
}

// How long its GPUs are held.
double busy_s(const MergeVertex& v) {
  const std::vector<double> ends = gang_ends(v.members);
  return *std::max_element(ends.begin(), ends.end());
}

// The one that stays where it is: the first, unless only the other one runs, or may be moved.
bool first_stays(const MergeVertex& a, const MergeVertex& b) {
  if (a.runs != b.runs) return a.runs;
  if (a.may_move != b.may_move) return b.may_move;
  return a.members.size() >= b.members.size();
}

std::vector<MergeMember> together(const MergeVertex& a, const MergeVertex& b, double move_s) {
  std::vector<MergeMember> all = a.members;
  all.insert(all.end(), b.members.begin(), b.members.end());
  const bool a_stays = first_stays(a, b);
  const auto moved = a_stays ? all.begin() + static_cast<std::ptrdiff_t>(a.members.size()) : all.begin();
  if ((a_stays ? b : a).runs)
    std::for_each_n(moved, (a_stays ? b : a).members.size(), [move_s](MergeMember& m) { m.delay_s += move_s; });
  return all;
}

bool allowed(std::span<const MergeMember> all, const MergeBounds& bounds) {
  if (all.size() > bounds.k_max) return false;
  std::int64_t own = 0, backbone = 0;
  std::vector<MergedPart> parts;
  for (const MergeMember& m : all) {
    own += m.memory.own_bytes;
    backbone = std::max(backbone, m.memory.backbone_bytes);
    parts.push_back(m.part);
  }
  if (bounds.gpu_bytes > 0 && backbone + own > bounds.gpu_bytes) return false;
  const GangStep step = step_of(parts);
  return std::all_of(all.begin(), all.end(), [&](const MergeMember& m) {
    return step.seconds <= bounds.sigma_max * step.alone(m) * (1 + 1e-9);
  });
}

}  // namespace

std::vector<double> gang_ends(std::span<const MergeMember> members) {
  std::vector<double> ends(members.size(), 0), left(members.size());
  std::vector<std::size_t> there;
  std::vector<MergedPart> parts;
  for (std::size_t i = 0; i < members.size(); ++i) left[i] = std::max(members[i].left_s, 0.0);
  std::vector<bool> over(members.size(), false);
  for (double now = 0;;) {
    double next = kNever_s;
    there.clear();
    parts.clear();
    for (std::size_t i = 0; i < members.size(); ++i) {
      if (over[i]) continue;
      if (members[i].delay_s > now) {
        next = std::min(next, members[i].delay_s);
        continue;
      }
      there.push_back(i);
      parts.push_back(members[i].part);
    }
    if (there.empty() && next == kNever_s) return ends;
    if (there.empty()) {
      now = next;
      continue;
    }
    const GangStep step = step_of(parts);
    std::size_t first = there.front();
    double soonest = kNever_s;
    for (const std::size_t i : there) {
      const double takes = left[i] * step.seconds / step.alone(members[i]);
      if (takes >= soonest) continue;
      soonest = takes;
      first = i;
    }
    const bool ends_first = now + soonest <= next;
    const double d = ends_first ? soonest : next - now;
    for (const std::size_t i : there) left[i] = std::max(left[i] - d * step.alone(members[i]) / step.seconds, 0.0);
    now += d;
    if (!ends_first) continue;
    over[first] = true;
    ends[first] = now;
  }
}

std::optional<double> merge_worth(const MergeVertex& a, const MergeVertex& b, const MergeBounds& bounds) {
  if (!a.runs && !b.runs) return std::nullopt;
  if (a.runs && b.runs && !a.may_move && !b.may_move) return std::nullopt;
  const std::vector<MergeMember> all = together(a, b, bounds.move_s);
  if (!allowed(all, bounds)) return std::nullopt;
  const std::vector<double> merged = gang_ends(all);
  std::vector<double> apart = ends_of(a);
  const std::vector<double> of_b = ends_of(b);
  apart.insert(apart.end(), of_b.begin(), of_b.end());
  double harm = 0;
  for (std::size_t i = 0; i < all.size(); ++i) harm += all[i].weight * (merged[i] - apart[i]);
  const double saved = busy_s(a) + busy_s(b) - *std::max_element(merged.begin(), merged.end());
  return bounds.gpu_price * bounds.gpus * saved - harm;
}

Grouping merge_groups(std::vector<MergeVertex> vertices, const MergeBounds& bounds) {
  Grouping groups{std::vector<std::size_t>(vertices.size()), std::vector<double>(vertices.size(), 0)};
  std::vector<std::size_t>& into = groups.into;
  for (std::size_t i = 0; i < into.size(); ++i) into[i] = i;
  for (std::size_t most = 1; most < bounds.k_max; most *= 2) {
    std::vector<WeightedEdge> edges;
    for (std::size_t a = 0; a < vertices.size(); ++a)
      for (std::size_t b = a + 1; b < vertices.size(); ++b) {
        if (into[a] != a || into[b] != b) continue;
        const auto worth = merge_worth(vertices[a], vertices[b], bounds);
        if (!worth || *worth <= kLeastWorth) continue;
        const double units = std::min(*worth * kEdgeUnits, static_cast<double>(kMostEdgeWeight));
        edges.push_back(
            {static_cast<std::uint32_t>(a), static_cast<std::uint32_t>(b), static_cast<std::int64_t>(units)});
      }
    if (edges.empty()) break;
    const std::vector<std::uint32_t> mates = heaviest_matching(static_cast<std::uint32_t>(vertices.size()), edges);
    for (std::size_t a = 0; a < vertices.size(); ++a) {
      const std::size_t b = mates[a];
      if (mates[a] == kUnmatched || b < a) continue;
      const bool a_stays = first_stays(vertices[a], vertices[b]);
      const std::size_t stays = a_stays ? a : b, goes = a_stays ? b : a;
      const double apart_s = busy_s(vertices[a]) + busy_s(vertices[b]);
      vertices[stays].members = together(vertices[a], vertices[b], bounds.move_s);
      groups.saved_s[stays] += groups.saved_s[goes] + apart_s - busy_s(vertices[stays]);
      vertices[stays].may_move = false;
      vertices[goes].members.clear();
      for (std::size_t& root : into)
        if (root == goes) root = stays;
    }
  }
  return groups;
}

std::vector<double> expected_waits(std::int64_t free_gpus, std::vector<std::pair<double, std::int32_t>> running,
                                   std::span<const QueuedJob> queue) {
  std::priority_queue ends(std::greater<>(), std::move(running));
  std::vector<double> waits;
  double now = 0;
  for (const QueuedJob& job : queue) {
    while (free_gpus < job.gpus && !ends.empty()) {
      now = std::max(now, ends.top().first);
      free_gpus += ends.top().second;
      ends.pop();
    }
    waits.push_back(free_gpus < job.gpus ? kNever_s : now);
    if (free_gpus < job.gpus) continue;
    free_gpus -= job.gpus;
    ends.emplace(now + job.run_s, job.gpus);
  }
  return waits;
}

std::vector<std::pair<double, std::int32_t>> running_ends(const StrictPriority& jobs, Time now) {
  std::vector<std::pair<double, std::int32_t>> ends;
  for (const StrictPriority::Running& r : jobs.running()) {
    const Duration left = StrictPriority::remaining_at(r, now);
    const double rate = r.rate.per_billion > 0 ? static_cast<double>(r.rate.per_billion) * 1e-9 : 1;
    ends.emplace_back(left == kForever ? to_seconds(kForever) : to_seconds(left) / rate, r.gpus);
  }
  return ends;
}

std::int64_t least_gpu_memory(const Topology& topology, const Allocation& gpus) {
  std::int64_t least = 0;
  for (const NodeSlice& s : gpus.slices()) {
    const std::int64_t bytes = topology.groups()[topology.node(s.node).group].gpu_mem_bytes;
    if (bytes > 0 && (least == 0 || bytes < least)) least = bytes;
  }
  return least;
}

}  // namespace orrery
