#include "policies/parts/timetable.hpp"

#include <algorithm>

#include "sim/core/assert.hpp"

namespace orrery {
namespace {

Allocation only(const NodeSlice& s) {
  Allocation a;
  a.add(s);
  return a;
}

Sharing sharing_of(const Allocation& a) {
  const bool part = !a.empty() && a.slices().front().milli_per_gpu < kMilliPerGpu;
  return part ? Sharing::fraction : Sharing::exclusive;
}

}  // namespace

Timetable::Timetable(const Topology& topology, Time now)
    : topology_(&topology),
      window_(topology),
      now_(now),
      from_(now),
      to_(now + Duration{1}),
      nodes_(topology.node_count()) {
  for (std::uint32_t n = 0; n < topology.node_count(); ++n) {
    const NodeInfo& info = topology.node(NodeId(n));
    nodes_[n].amounts = info.cpu_milli > 0 || info.mem_bytes > 0;
    nodes_[n].taken.whole.node = NodeId(n);
  }
}

void Timetable::advance(Time now) {
  now_ = now;
  for (Count& c : counts_) c.profile.advance(now);
}

void Timetable::set_down(NodeId node, bool down) {
  Node& n = nodes_[node.index()];
  if (n.down == down) return;
  const NodeInfo& info = topology_->node(node);
  for (Count& c : counts_)
    if (c.types == 0 || ((c.types >> info.type) & 1) != 0)
      c.profile.add(now_, kNever, (down ? -kMilliPerGpu : kMilliPerGpu) * std::int64_t{info.gpus});
  n.down = down;
  if (!down) window_.set_down(node, false);
  refresh(node);
  if (down) window_.set_down(node, true);
}

void Timetable::add(JobId job, Time from, Time to, const Allocation& where) {
  const auto [at, fresh] = entries_.emplace(job, Entry{from, to, where});
  ORRERY_ASSERT(fresh, "job {} is in the timetable already", job.value);
  const Entry& e = at->second;
  starts_.insert({e.from, job});
  ends_.insert({e.to, job});
  count(e, -1);
  for (const NodeSlice& s : e.where.slices()) {
    nodes_[s.node.index()].holdings.push_back({e.from, e.to, job, s});
    if (e.from < to_ && e.to > from_) refresh(s.node);
  }
}

void Timetable::remove(JobId job) {
  const auto at = entries_.find(job);
  ORRERY_ASSERT(at != entries_.end(), "job {} is not in the timetable", job.value);
  const Entry& e = at->second;
  starts_.erase({e.from, job});
  ends_.erase({e.to, job});
  count(e, 1);
  for (const NodeSlice& s : e.where.slices()) {
    auto& holdings = nodes_[s.node.index()].holdings;
    const auto mine =
        std::find_if(holdings.begin(), holdings.end(), [job](const Holding& h) { return h.job == job; });
    *mine = holdings.back();
    holdings.pop_back();
    if (e.from < to_ && e.to > from_) refresh(s.node);
  }
  entries_.erase(at);
}

void Timetable::set_end(JobId job, Time to) {
  const Entry e = entries_.at(job);
  remove(job);
  add(job, e.from, to, e.where);
}

const Timetable::Entry* Timetable::find(JobId job) const {
  const auto at = entries_.find(job);
  return at == entries_.end() ? nullptr : &at->second;
}

bool Timetable::fits(Placement& placement, const Demand& d, Time from, Time to, Allocation& out) {
  move(from, to);
  out.clear();
  return placement.place(d, window_, out);
}

bool Timetable::free(const Allocation& where, Time from, Time to) {
  move(from, to);
  return window_.can_take(where, sharing_of(where));
}

Timetable::Slot Timetable::earliest(Placement& placement, const Demand& d, Duration length, Time before) {
  Slot slot;
  const AvailabilityProfile* number = d.gpus > 0 ? &count_of(d.gpu_types) : nullptr;
  for (Time t = now_; t < before;) {
    if (number != nullptr) t = number->earliest(d.milli_gpus(), length, t);
    if (t >= before) break;
    if (fits(placement, d, t, t + length, slot.where)) {
      slot.start = t;
      break;
    }
    const auto next = ends_.lower_bound({t + Duration{1}, JobId(0)});
    t = next == ends_.end() ? kNever : next->first;
  }
  return slot;
}

// Entries overlap a window when they start before its end and end after its start.
void Timetable::move(Time from, Time to) {
  if (from == from_ && to == to_) return;
  ++round_;
  touched_.clear();
  const auto cross = [this](const std::set<std::pair<Time, JobId>>& order, Time low, Time high) {
    const auto last = order.lower_bound({high, JobId(0)});
    for (auto at = order.lower_bound({low, JobId(0)}); at != last; ++at)
      for (const NodeSlice& s : entries_.at(at->second).where.slices()) touch(s.node);
  };
  if (to != to_) cross(starts_, std::min(to, to_), std::max(to, to_));
  if (from != from_) cross(ends_, std::min(from, from_) + Duration{1}, std::max(from, from_) + Duration{1});
  from_ = from;
  to_ = to;
  for (const NodeId n : touched_) refresh(n);
}

void Timetable::touch(NodeId node) {
  if (nodes_[node.index()].seen == round_) return;
  nodes_[node.index()].seen = round_;
  touched_.push_back(node);
}

void Timetable::refresh(NodeId node) {
  Node& n = nodes_[node.index()];
  Taken now = taken_in_window(node);
  if (now == n.taken) return;
  window_.give(only(n.taken.whole));
  for (const auto& [gpu, milli] : n.taken.parts)
    window_.give(only({.node = node, .milli_per_gpu = milli, .gpus = gpu}), Sharing::fraction);
  n.taken = std::move(now);
  window_.take(only(n.taken.whole));
  for (const auto& [gpu, milli] : n.taken.parts)
    window_.take(only({.node = node, .milli_per_gpu = milli, .gpus = gpu}), Sharing::fraction);
}

Timetable::Taken Timetable::taken_in_window(NodeId node) {
  const Node& n = nodes_[node.index()];
  Taken out;
  out.whole.node = node;
  if (n.down) return out;  // the inventory gives nothing of it anyway
  bool parts = false;
  for (const Holding& h : n.holdings) {
    if (h.from >= to_ || h.to <= from_) continue;
    if (h.slice.milli_per_gpu < kMilliPerGpu)
      parts = true;
    else
      out.whole.gpus |= h.slice.gpus;
  }
  if (parts || n.amounts) add_peaks(node, out);
  return out;
}

// What is held by amount is held most at some start: a walk over starts and ends, ends first where both meet.
void Timetable::add_peaks(NodeId node, Taken& out) {
  steps_.clear();
  for (const Holding& h : nodes_[node.index()].holdings) {
    if (h.from >= to_ || h.to <= from_) continue;
    steps_.push_back({std::max(h.from, from_), 1, &h.slice});
    steps_.push_back({h.to, -1, &h.slice});
  }
  std::sort(steps_.begin(), steps_.end(),
            [](const Step& a, const Step& b) { return a.at != b.at ? a.at < b.at : a.sign < b.sign; });
  parts_.clear();
  std::int64_t cpu = 0, mem = 0;
  for (const Step& step : steps_) {
    cpu += step.sign * step.slice->cpu_milli;
    mem += step.sign * step.slice->mem_bytes;
    out.whole.cpu_milli = std::max(out.whole.cpu_milli, cpu);
    out.whole.mem_bytes = std::max(out.whole.mem_bytes, mem);
    if (step.slice->milli_per_gpu == kMilliPerGpu) continue;
    const Mask gpu = step.slice->gpus;
    auto part = std::find_if(parts_.begin(), parts_.end(), [&gpu](const Part& p) { return p.gpu == gpu; });
    if (part == parts_.end()) part = parts_.insert(parts_.end(), {gpu, 0, 0});
    part->milli += step.sign * step.slice->milli_per_gpu;
    part->most = std::max(part->most, part->milli);
  }
  const NodeInfo& info = topology_->node(node);
  out.whole.cpu_milli = info.cpu_milli > 0 ? std::min(out.whole.cpu_milli, info.cpu_milli) : 0;
  out.whole.mem_bytes = info.mem_bytes > 0 ? std::min(out.whole.mem_bytes, info.mem_bytes) : 0;
  for (const Part& p : parts_)
    if ((out.whole.gpus | p.gpu) != out.whole.gpus) out.parts.emplace_back(p.gpu, std::min(p.most, kMilliPerGpu));
}

void Timetable::count(const Entry& e, int sign) {
  for (Count& c : counts_) c.profile.add(e.from, e.to, sign * milli_of_types(e.where, c.types));
}

std::int64_t Timetable::milli_of_types(const Allocation& where, GpuTypeMask types) const {
  std::int64_t milli = 0;
  for (const NodeSlice& s : where.slices())
    if (types == 0 || ((types >> topology_->node(s.node).type) & 1) != 0)
      milli += std::int64_t{s.gpu_count()} * s.milli_per_gpu;
  return milli;
}

AvailabilityProfile& Timetable::count_of(GpuTypeMask types) {
  for (Count& c : counts_)
    if (c.types == types) return c.profile;
  Count& c = counts_.emplace_back();
  c.types = types;
  std::int64_t gpus = 0;
  for (std::uint32_t n = 0; n < nodes_.size(); ++n) {
    const NodeInfo& info = topology_->node(NodeId(n));
    if (!nodes_[n].down && (types == 0 || ((types >> info.type) & 1) != 0)) gpus += info.gpus;
  }
  c.profile.reset(now_, gpus * kMilliPerGpu);
  for (const auto& [job, e] : entries_) c.profile.add(e.from, e.to, -milli_of_types(e.where, types));
  return c.profile;
}

}  // namespace orrery
