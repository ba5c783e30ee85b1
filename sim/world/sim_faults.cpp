#include "sim/world/sim_faults.hpp"

#include <algorithm>

namespace orrery {

void SimFaults::plan(SimTable& t, const Inventory* known) {
  if (!model_.active()) return;
  there_.resize(topology_->node_count());
  away_.resize(topology_->node_count());
  plan_slow_spells(t);
  for (const Outage& o : merged(model_.outages)) {
    if (known != nullptr && o.to <= t.now) continue;
    if (known != nullptr && o.from <= t.now)
      away_[o.node.index()] = 1;
    else
      t.queue.push(o.from, Due::kNodeClass, {.what = Due::What::node_down, .node = o.node});
    t.queue.push(o.to, Due::kNodeClass, {.what = Due::What::node_up, .node = o.node});
  }
  for (std::uint32_t n = 0; n < topology_->node_count() && model_.node_mtbf.ns > 0; ++n) plan_chance(t, n, known);
}

// In the middle of a run what has been drawn by now says how the node is, and goes on. Where that is not how it is
// (the run had other chances, or is a live one), chance begins anew.
void SimFaults::plan_chance(SimTable& t, std::uint32_t n, const Inventory* known) {
  NodeFailures& node = by_chance_.emplace_back(model_, n);
  Time at = Time{} + node.next();
  bool down = false;  // until `at`
  if (known != nullptr) {
    for (; at <= t.now; at = at + node.next()) down = !down;
    const bool listed = away_[n] > 0, away = known->is_down(NodeId(n));
    if (away != (down || listed)) {
      node = NodeFailures(model_, n);
      down = away && !listed;
      at = t.now + node.next();
      if (down) at = t.now + node.next();
    }
    away_[n] += down ? 1 : 0;
  }
  const Due::What next = down ? Due::What::node_up : Due::What::node_down;
  t.queue.push(at, Due::kNodeClass, {.what = next, .by_chance = true, .node = NodeId(n)});
}

void SimFaults::enter(SimGang& g, const Allocation& gpus) {
  if (there_.empty()) return;
  g.gpus = gpus;
  for (const NodeSlice& s : g.gpus.slices()) there_[s.node.index()].push_back(g.job);
  g.slowdown = slowest_node(g);
}

void SimFaults::leave(const SimGang& g) {
  if (there_.empty()) return;
  for (const NodeSlice& s : g.gpus.slices()) {
    std::vector<JobId>& there = there_[s.node.index()];
    there.erase(std::find(there.begin(), there.end(), g.job));
  }
}

// It is up while there is no cause, known or by chance.
std::vector<JobId> SimFaults::change_node(const Due& due) {
  int& causes = away_[due.node.index()];
  const bool was_up = causes == 0;
  causes += due.what == Due::What::node_down ? 1 : -1;
  turned_ = was_up || causes == 0;
  return was_up ? there_[due.node.index()] : std::vector<JobId>{};
}

void SimFaults::tell(SimTable& t, const Due& due) {
  const bool fails = due.what == Due::What::node_down;
  const std::int32_t usable = fails ? 0 : topology_->node(due.node).gpus;
  if (turned_) t.batch.push_back(Event{.at = t.now, .what = event::Capacity{due.node, usable}});
  if (!due.by_chance) return;
  Due next = due;
  next.what = fails ? Due::What::node_up : Due::What::node_down;
  t.queue.push(t.now + by_chance_[due.node.index()].next(), Due::kNodeClass, next);
}

void SimFaults::plan_slow_spells(SimTable& t) {
  const Stragglers& all = model_.stragglers;
  if (!all.active()) return;
  speed_.resize(topology_->node_count());
  for (const SlowSpell& s : all.spells) {
    if (s.from < t.now) continue;
    t.queue.push(s.from, Due::kNodeClass, {.what = Due::What::slow_spell, .node = s.node, .slowdown = s.slowdown});
    t.queue.push(s.to, Due::kNodeClass, {.what = Due::What::spell_end, .node = s.node, .slowdown = s.slowdown});
  }
  if (all.node_mtbs.ns == 0) return;
  for (std::uint32_t n = 0; n < topology_->node_count(); ++n) slow_by_chance_.emplace_back(model_, n);
  for (std::uint32_t n = 0; n < topology_->node_count(); ++n) plan_onset(t, NodeId(n));
}

void SimFaults::plan_onset(SimTable& t, NodeId node) {
  const NodeSlowSpells::Spell next = slow_by_chance_[node.index()].next();
  Due due{.what = Due::What::slow_spell, .by_chance = true, .node = node, .slowdown = next.slowdown};
  t.queue.push(t.now + next.after, Due::kNodeClass, due);
  due.what = Due::What::spell_end;
  t.queue.push(t.now + next.after + next.lasts, Due::kNodeClass, due);
}

// Nobody but the jobs on the node is looked at.
std::span<const JobId> SimFaults::change_speed(SimTable& t, const Due& due) {
  NodeSpeed& node = speed_[due.node.index()];
  const bool begins = due.what == Due::What::slow_spell;
  if (begins)
    node.spells.push_back(due.slowdown);
  else
    node.spells.erase(std::find(node.spells.begin(), node.spells.end(), due.slowdown));
  if (begins && due.by_chance) plan_onset(t, due.node);
  Slowdown worst = kFullSpeed;
  for (const Slowdown s : node.spells) worst = std::max(worst, s);
  if (worst == node.slowdown) return {};
  node.slowdown = worst;
  t.batch.push_back(Event{.at = t.now, .what = event::Slowed{due.node, worst}});
  for (const JobId job : there_[due.node.index()]) t.gangs[job].slowdown = slowest_node(t.gangs[job]);
  return there_[due.node.index()];
}

Slowdown SimFaults::slowest_node(const SimGang& g) const {
  Slowdown slowest = kFullSpeed;
  if (speed_.empty()) return slowest;
  for (const NodeSlice& s : g.gpus.slices()) slowest = std::max(slowest, speed_[s.node.index()].slowdown);
  return slowest;
}

}  // namespace orrery
