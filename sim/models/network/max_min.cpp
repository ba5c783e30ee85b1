#include "sim/models/network/max_min.hpp"

#include <algorithm>

#include "sim/core/assert.hpp"

namespace orrery {

SharedLinks::SharedLinks(std::vector<std::int64_t> capacities) : links_(capacities.size()) {
  for (std::size_t i = 0; i < capacities.size(); ++i) {
    ORRERY_ASSERT(capacities[i] >= 0, "link {} has a capacity of {}", i, capacities[i]);
    links_[i].capacity = capacities[i];
  }
}

void SharedLinks::touch(LinkId link) {
  Link& l = links_[link];
  if (l.dirty) return;
  l.dirty = true;
  l.could_fill = l.can_fill();
  dirty_.push_back(link);
}

// What the flow could have alone, and with it what its links are asked for.
void SharedLinks::set_alone(FlowId id) {
  Flow& f = flows_[id];
  std::int64_t alone = f.present ? f.cap : 0;
  if (f.present)
    for (const LinkUse& u : f.uses)
      if (links_[u.link].capacity != kUnlimited) alone = std::min(alone, links_[u.link].capacity / u.weight);
  for (const LinkUse& u : f.uses) {
    touch(u.link);
    links_[u.link].wanted += static_cast<Int128>(u.weight) * (alone - f.alone);
  }
  f.alone = alone;
  if (f.present) reach(id);
}

FlowId SharedLinks::add(const LinkUses& uses, std::int64_t cap) {
  ORRERY_ASSERT(cap >= 0, "a flow capped at {}", cap);
  const FlowId id = flows_.take();
  Flow& f = flows_[id];
  f.uses = uses;
  f.cap = cap;
  f.alone = f.rate = 0;
  f.present = f.fresh = true;
  for (const LinkUse& u : f.uses) {
    ORRERY_ASSERT(u.link < links_.size() && u.weight >= 1, "link {} weight {}", u.link, u.weight);
    links_[u.link].flows.push_back(id);
  }
  set_alone(id);
  return id;
}

void SharedLinks::remove(FlowId flow) {
  Flow& f = flows_[flow];
  ORRERY_ASSERT(f.present, "flow {} is not there", flow);
  f.present = false;
  set_alone(flow);
  for (const LinkUse& u : f.uses) {
    std::vector<FlowId>& there = links_[u.link].flows;
    *std::find(there.begin(), there.end(), flow) = there.back();
    there.pop_back();
  }
  f.rate = 0;
  flows_.leave(flow);
  if (f.reached) std::erase(solving_, flow);
  f.reached = false;
}

void SharedLinks::set_capacity(LinkId link, std::int64_t bytes_per_s) {
  ORRERY_ASSERT(bytes_per_s >= 0, "a capacity of {}", bytes_per_s);
  touch(link);
  links_[link].capacity = bytes_per_s;
  for (const FlowId f : links_[link].flows) set_alone(f);
}

void SharedLinks::reach(FlowId flow) {
  if (flows_[flow].reached) return;
  flows_[flow].reached = true;
  solving_.push_back(flow);
}

// All flows that a change can reach: those that are new, those on changed links that could or can fill, and those
// that meet them where a link can fill.
void SharedLinks::collect() {
  for (const LinkId id : dirty_) {
    Link& l = links_[id];
    l.dirty = false;
    if (l.could_fill || l.can_fill())
      for (const FlowId f : l.flows) reach(f);
  }
  dirty_.clear();
  for (std::size_t i = 0; i < solving_.size(); ++i) {
    for (const LinkUse& u : flows_[solving_[i]].uses) {
      Link& l = links_[u.link];
      if (l.reached || !l.can_fill()) continue;
      l.reached = true;
      bottlenecks_.push_back(u.link);
      for (const FlowId f : l.flows) reach(f);
    }
  }
}

void SharedLinks::fix(FlowId flow, std::int64_t rate) {
  Flow& f = flows_[flow];
  f.rate = rate;
  f.fixed = true;
  for (const LinkUse& u : f.uses) {
    Link& l = links_[u.link];
    if (!l.reached) continue;
    l.left -= u.weight * rate;
    l.weight -= u.weight;
  }
}

// Progressive filling. A link's share only grows as flows are fixed, so an outdated entry of the heap is too small
// and is corrected when it comes up. Of equal levels, flows at their caps go first: they leave more for the others.
void SharedLinks::solve() {
  by_cap_.assign(solving_.begin(), solving_.end());
  std::sort(by_cap_.begin(), by_cap_.end(), [this](FlowId a, FlowId b) {
    return flows_[a].alone != flows_[b].alone ? flows_[a].alone < flows_[b].alone : a < b;
  });
  for (const FlowId f : solving_) flows_[f].fixed = false;
  heap_.clear();
  for (const LinkId id : bottlenecks_) {
    Link& l = links_[id];
    l.left = l.capacity;
    l.weight = 0;
  }
  for (const FlowId f : solving_)
    for (const LinkUse& u : flows_[f].uses) links_[u.link].weight += u.weight;
  for (const LinkId id : bottlenecks_) heap_.push_back({links_[id].left / links_[id].weight, id});
  const auto later = [](const Share& a, const Share& b) {
    return a.share != b.share ? a.share > b.share : a.link > b.link;
  };
  std::make_heap(heap_.begin(), heap_.end(), later);
  std::size_t next_cap = 0;
  while (!heap_.empty()) {
    std::pop_heap(heap_.begin(), heap_.end(), later);
    const Share top = heap_.back();
    heap_.pop_back();
    Link& l = links_[top.link];
    if (l.weight == 0) continue;
    const std::int64_t share = l.left / l.weight;
    for (; next_cap < by_cap_.size() && flows_[by_cap_[next_cap]].alone <= top.share; ++next_cap)
      if (!flows_[by_cap_[next_cap]].fixed) fix(by_cap_[next_cap], flows_[by_cap_[next_cap]].alone);
    const bool outdated = l.weight == 0 || l.left / l.weight > top.share;
    ORRERY_ASSERT(share >= top.share, "the share of link {} fell from {} to {}", top.link, top.share, share);
    if (outdated) {
      if (l.weight == 0) continue;
      heap_.push_back({l.left / l.weight, top.link});
      std::push_heap(heap_.begin(), heap_.end(), later);
      continue;
    }
    for (const FlowId f : l.flows)
      if (!flows_[f].fixed) fix(f, top.share);
  }
  for (; next_cap < by_cap_.size(); ++next_cap)
    if (!flows_[by_cap_[next_cap]].fixed) fix(by_cap_[next_cap], flows_[by_cap_[next_cap]].alone);
}

std::span<const FlowId> SharedLinks::update() {
  collect();
  std::sort(solving_.begin(), solving_.end());
  before_.clear();
  for (const FlowId f : solving_) before_.push_back(flows_[f].rate);
  solve();
  changed_.clear();
  for (std::size_t i = 0; i < solving_.size(); ++i) {
    Flow& f = flows_[solving_[i]];
    if (f.fresh || f.rate != before_[i]) changed_.push_back(solving_[i]);
    f.fresh = f.reached = false;
  }
  last_solved_ = solving_.size();
  for (const LinkId l : bottlenecks_) links_[l].reached = false;
  solving_.clear();
  bottlenecks_.clear();
  return changed_;
}

void SharedLinks::solve_all() {
  for (FlowId f = 0; f < flows_.size(); ++f)
    if (flows_[f].present) reach(f);
  (void)update();
}

std::int64_t SharedLinks::load(LinkId link) const {
  Int128 sum = 0;
  for (const FlowId f : links_[link].flows)
    for (const LinkUse& u : flows_[f].uses)
      if (u.link == link) sum += static_cast<Int128>(u.weight) * flows_[f].rate;
  return static_cast<std::int64_t>(std::min<Int128>(sum, kUnlimited));
}

}  // namespace orrery
