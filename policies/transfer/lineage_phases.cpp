#include "policies/transfer/lineage_phases.hpp"

#include <algorithm>
#include <tuple>

#include "sim/core/assert.hpp"

namespace orrery {

Duration time_by_phases(const ClusterView& view, const JobView& job, Work whole, Work work, std::int32_t gpus) {
  if (job.spec->phases.empty()) return view.time_for(job, work, gpus);
  const Duration alike = phases_time(*job.spec, whole, job.done, job.done + work, gpus);
  return view.time_for(job, Work{alike.ns}, gpus);
}

std::int32_t decodes_at_most(const JobSpec& spec, std::int32_t from_phase) {
  std::int32_t most = 0;
  for (std::size_t i = static_cast<std::size_t>(from_phase); i < spec.phases.size(); ++i)
    most = std::max(most, spec.phases[i].cpu_milli);
  return most;
}

void LineagePhases::follow(const ClusterView& view, const Event& e) {
  if (!on_ || !e.job.valid()) return;
  const JobSpec& spec = view.spec(e.job);
  if (spec.phases.empty()) return;
  switch (e.kind()) {
    case EventKind::submit: somebody_decodes_ = somebody_decodes_ || decodes_at_most(spec, 0) > 0; return;
    case EventKind::started:
    case EventKind::progress:
      if (view.held(e.job) != nullptr) note(spec, *view.held(e.job), decodes_at_most(spec, view.job(e.job).phase));
      return;
    case EventKind::finished:
    case EventKind::stopped:
    case EventKind::failed:
    case EventKind::launch_failed:
    case EventKind::called_off:
    case EventKind::reject:
    case EventKind::cancel:
      if (view.target(e.job) == nullptr) leaves(e.job);
      return;
    default: return;
  }
}

void LineagePhases::leaves(JobId job) {
  const auto at = decode_.find(job);
  if (at == decode_.end()) return;
  for (const auto& [node, cpus] : at->second) wanted_[node.index()] -= cpus;
  decode_.erase(at);
}

void LineagePhases::note(const JobSpec& spec, const Allocation& gpus, std::int32_t cpu_milli) {
  leaves(spec.id);
  if (cpu_milli == 0) return;
  auto& where = decode_[spec.id];
  for (const NodeSlice& s : gpus.slices()) {
    // What it has reserved is nobody else's anyway.
    const std::int64_t cpus = std::max<std::int64_t>(std::int64_t{s.gpu_count()} * cpu_milli - s.cpu_milli, 0);
    if (s.node.index() >= wanted_.size()) wanted_.resize(s.node.index() + 1);
    wanted_[s.node.index()] += cpus;
    where.emplace_back(s.node, cpus);
  }
}

void LineagePhases::find_rooms(const PlanBuilder& plan) {
  rooms_.clear();
  const Inventory& free = plan.free();
  for (NodeId n = free.first_with(1); n.valid(); n = free.first_with(1, NodeId(n.value + 1)))
    rooms_.push_back({n, free.free_on(n), 0, free.free_cpu_milli(n) - wanted(n)});
}

// As many GPUs of a node as it has CPUs for, of the node that can feed most first; the rest wherever most CPUs are
// left, one by one.
void LineagePhases::take_most_cpus(const Mover& m) {
  std::int32_t left = m.gpus;
  const auto feeds = [&m](const Room& r) {
    return static_cast<std::int32_t>(
        std::clamp<std::int64_t>(r.cpus / m.cpu_milli, 0, std::int64_t{r.free - r.taken}));
  };
  const auto take = [&](Room& r, std::int32_t gpus) {
    r.taken += gpus;
    r.cpus -= std::int64_t{gpus} * m.cpu_milli;
    left -= gpus;
  };
  while (left > 0) {
    const auto most = std::max_element(rooms_.begin(), rooms_.end(),
                                       [&](const Room& a, const Room& b) { return feeds(a) < feeds(b); });
    if (most == rooms_.end() || feeds(*most) == 0) break;
    take(*most, std::min(left, feeds(*most)));
  }
  while (left > 0) {
    Room* most = nullptr;
    for (Room& r : rooms_)
      if (r.taken < r.free && (most == nullptr || r.cpus > most->cpus)) most = &r;
    ORRERY_ASSERT(most != nullptr, "job {} was placed, and does not fit anywhere else", m.job.value);
    take(*most, 1);
  }
}

// GPUs beside which few CPUs are left first: the others stay for those who decode.
void LineagePhases::take_fewest_cpus(const Mover& m) {
  std::stable_sort(rooms_.begin(), rooms_.end(),
                   [](const Room& a, const Room& b) { return a.cpus * b.free < b.cpus * a.free; });
  std::int32_t left = m.gpus;
  for (Room& r : rooms_) {
    r.taken = std::min(left, r.free);
    left -= r.taken;
  }
}

// The tightest node that has the CPUs for it, or else that with the most; for who decodes nothing the tightest one,
// of several that with the fewest CPUs.
bool LineagePhases::take_one_node(const Mover& m) {
  Room* best = nullptr;
  const std::int64_t wants = std::int64_t{m.gpus} * m.cpu_milli;
  const auto better = [&](const Room& a, const Room& b) {
    if (wants == 0) return std::tie(a.free, a.cpus) < std::tie(b.free, b.cpus);
    if ((a.cpus >= wants) != (b.cpus >= wants)) return a.cpus >= wants;
    return a.cpus >= wants ? a.free < b.free : a.cpus > b.cpus;
  };
  for (Room& r : rooms_)
    if (r.free >= m.gpus && (best == nullptr || better(r, *best))) best = &r;
  if (best != nullptr) best->taken = m.gpus;
  return best != nullptr;
}

Allocation LineagePhases::taken(const PlanBuilder& plan) const {
  Allocation gpus;
  for (const Room& r : rooms_) {
    if (r.taken == 0) continue;
    NodeSlice s;
    s.node = r.node;
    s.gpus = plan.free().free_mask(r.node).lowest(r.taken);
    gpus.add(s);
  }
  return gpus;
}

// False where somebody does not fit any more.
bool LineagePhases::place(const ClusterView& view, PlanBuilder& plan, bool counting) {
  for (const Mover& m : movers_) plan.preempt(m.job);
  std::stable_sort(movers_.begin(), movers_.end(), [](const Mover& a, const Mover& b) {
    return std::tie(b.cpu_milli, b.gpus) < std::tie(a.cpu_milli, a.gpus);
  });
  for (const Mover& m : movers_) {
    find_rooms(plan);
    if (!counting) {
      if (!take_one_node(m)) return false;
    } else if (m.cpu_milli > 0) {
      take_most_cpus(m);
    } else {
      take_fewest_cpus(m);
    }
    const Allocation gpus = taken(plan);
    const bool placed = plan.run(m.job, gpus, m.config);
    ORRERY_ASSERT(placed, "job {} cannot run on {}, which is free", m.job.value, gpus.to_string());
    note(view.spec(m.job), gpus, m.cpu_milli);
  }
  return true;
}

void LineagePhases::spread(const ClusterView& view, PlanBuilder& plan, std::span<const JobId> started,
                           bool counting) {
  if (!on_ || !somebody_decodes_ || started.empty()) return;
  movers_.clear();
  for (const JobId job : started) {
    const JobSpec& spec = view.spec(job);
    const Target& t = *plan.target(job);
    const std::int32_t cpu_milli = decodes_at_most(spec, view.job(job).phase);
    if (spec.demand.plain() && (counting || t.gpus.nodes() == 1))
      movers_.push_back({job, static_cast<std::int32_t>(t.gpus.gpu_count()), cpu_milli, t.config});
    else
      note(spec, t.gpus, cpu_milli);
  }
  const PlanBuilder::Mark before = plan.mark();
  if (place(view, plan, counting)) return;
  plan.rollback(before);
  for (const Mover& m : movers_) note(view.spec(m.job), *plan.planned(m.job), m.cpu_milli);
}

}  // namespace orrery
