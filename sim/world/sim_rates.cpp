// How fast gangs run in the simulator: stretches of even speed, and speeds that change with the network's load, with
// who else is on the GPUs, and with nodes that are slow for a while.
#include <algorithm>

#include "sim/models/speed/colocation.hpp"
#include "sim/world/sim_executor.hpp"

namespace orrery {
namespace {

// What a queued `slowed` event means, in its value2; its value is the spell's slow-down.
enum Spell : std::int64_t { kEnds, kBegins, kBeginsByChance };

}  // namespace

// How long until so much work is done; for ever where speed changes before.
Duration SimExecutor::time_to(const Gang& g, Work at) const {
  if (!in_stretches_) return time_for(at - g.done, g.rate);
  const Work whole = g.stretch.until - g.done;
  if (at > g.stretch.until || g.stretch.left == kForever || whole.ns <= 0) return kForever;
  const Int128 ns = (static_cast<Int128>(g.stretch.left.ns) * (at - g.done).ns + whole.ns - 1) / whole.ns;
  return Duration{static_cast<std::int64_t>(ns)};
}

// From `done` on at the speed of where the job is now.
void SimExecutor::begin_stretch(Gang& g) {
  g.stretch = model_->stretch(workload_->specs[g.job.index()], g.gpus, g.config, g.done);
  if (g.stretch.left == kForever) return;
  g.stretch.left = time_for(Work{g.stretch.left.ns}, g.rate);
  if (g.stretch.left == kForever) return;
  if (g.stretch.until > g.total) {  // a child with a head start has less to do than the model thinks
    g.stretch.left = time_to(g, g.total);
    g.stretch.until = g.total;
  }
  const Time end = options_.rounding.end_of(now_ + g.stretch.left, now_);
  const bool last = g.stretch.until >= g.total;
  g.next = schedule(g, end, last ? kFinishClass : kProgressClass, last ? EventKind::finished : EventKind::progress, 0,
                    last ? 0 : kStretch);
}

// The job reports as its speed changes.
void SimExecutor::end_stretch(Gang& g, Event& e) {
  g.next = Queue::kNone;
  g.done = g.stretch.until;
  g.since = now_;
  begin_stretch(g);
  plan_publication(g);
  e.value = g.done.ns;
  e.value2 = 0;
}

// Jobs whose share of the network, or whose neighbours, have changed go on at another speed from now on.
void SimExecutor::change_rates() {
  if (contention_)
    for (const auto& [job, rate] : contention_->update())
      change_rate(gangs_[job.index()], rate, gangs_[job.index()].turns);
  if (neighbours_)
    for (const JobId job : neighbours_->changed()) {
      Gang& g = gangs_[job.index()];
      if (g.in_group) {
        change_rate(g, g.healthy, neighbours_->most_on_one(job));
        continue;
      }
      const JobSpec& spec = workload_->specs[job.index()];
      const auto with = neighbours_->with(job);
      const Rate rate =
          in_stretches_ ? model_->share(spec, g.gpus, with) : model_->rate(spec, g.gpus, g.config, with);
      change_rate(g, rate, 1);
    }
}

Rate SimExecutor::present_rate(const Gang& g) {
  return slowed(in_turns(g.healthy, g.turns), g.slowdown);
}

void SimExecutor::change_rate(Gang& g, Rate healthy, std::int64_t turns) {
  g.healthy = healthy;
  g.turns = turns;
  const Rate rate = present_rate(g);
  if (rate == g.rate) return;
  settle(g);
  g.rate = rate;
  if (g.phase != Phase::running) return;  // it will start, or go on, at this speed
  if (g.saving) return;                   // its end is planned when it has saved
  if (g.next != Queue::kNone) queue_.cancel(g.next);
  if (g.publish != Queue::kNone) queue_.cancel(g.publish);
  g.next = g.publish = Queue::kNone;
  plan_end(g);
  plan_publication(g);
  if (g.save == Queue::kNone) plan_checkpoint(g);
}

void SimExecutor::plan_slow_spells() {
  const Stragglers& all = options_.failures.stragglers;
  if (!all.active()) return;
  node_speed_.resize(topology_->node_count());
  Event e;
  e.kind = EventKind::slowed;
  for (const SlowSpell& s : all.spells) {
    e.node = s.node;
    e.value = s.slowdown;
    e.value2 = kBegins;
    queue_.push(s.from, kNodeClass, e);
    e.value2 = kEnds;
    queue_.push(s.to, kNodeClass, e);
  }
  if (all.node_mtbs.ns == 0) return;
  for (std::uint32_t n = 0; n < topology_->node_count(); ++n) slow_by_chance_.emplace_back(options_.failures, n);
  for (std::uint32_t n = 0; n < topology_->node_count(); ++n) plan_onset(NodeId(n));
}

void SimExecutor::plan_onset(NodeId node) {
  const NodeSlowSpells::Spell next = slow_by_chance_[node.index()].next();
  Event e;
  e.kind = EventKind::slowed;
  e.node = node;
  e.value = next.slowdown;
  e.value2 = kBeginsByChance;
  queue_.push(now_ + next.after, kNodeClass, e);
  e.value2 = kEnds;
  queue_.push(now_ + next.after + next.lasts, kNodeClass, e);
}

// A slow spell begins or ends. Gangs on the node go on at another speed, nobody else is looked at.
void SimExecutor::change_speed(Event& e) {
  NodeSpeed& node = node_speed_[e.node.index()];
  if (e.value2 == kEnds)
    node.spells.erase(std::find(node.spells.begin(), node.spells.end(), e.value));
  else
    node.spells.push_back(e.value);
  if (e.value2 == kBeginsByChance) plan_onset(e.node);
  Slowdown worst = kFullSpeed;
  for (const Slowdown s : node.spells) worst = std::max(worst, s);
  if (worst == node.slowdown) return;
  node.slowdown = worst;
  e.at = now_;
  e.value = worst;
  e.value2 = 0;
  batch_.push_back(e);
  for (const JobId job : gangs_on_[e.node.index()]) {
    Gang& g = gangs_[job.index()];
    g.slowdown = slowest_node(g);
    change_rate(g, g.healthy, g.turns);
  }
}

Slowdown SimExecutor::slowest_node(const Gang& g) const {
  Slowdown slowest = kFullSpeed;
  if (node_speed_.empty()) return slowest;
  for (const NodeSlice& s : g.gpus.slices()) slowest = std::max(slowest, node_speed_[s.node.index()].slowdown);
  return slowest;
}

}  // namespace orrery
