// How fast gangs run in the simulator: stretches of even speed, and speeds that change with the network's load, with
// who else is on the GPUs, and with nodes that are slow for a while.
#include <algorithm>

#include "sim/api/emulation.hpp"
#include "sim/models/speed/colocation.hpp"
#include "sim/world/sim_executor.hpp"

namespace orrery {

// How long until so much work is done; for ever where speed changes before.
Duration SimExecutor::time_to(const Gang& g, Work at) const {
  if (!in_stretches_) return time_for(at - g.done, g.rate);
  const Work whole = g.stretch.until - g.done;
  if (at > g.stretch.until || g.stretch.left == kForever || whole.ns <= 0) return kForever;
  const Int128 ns = (static_cast<Int128>(g.stretch.left.ns) * (at - g.done).ns + whole.ns - 1) / whole.ns;
  return Duration{static_cast<std::int64_t>(ns)};
}

// As the model says; where it does not know, the run is over.
Rate SimExecutor::speed_of(const Gang& g, const Allocation& gpus, const RunConfig& config,
                           std::span<const JobId> with) {
  const JobSpec& spec = workload_->specs[g.job.index()];
  const Speed speed = model_->speed(spec, gpus, config, with);
  if (!speed.known && broken_.empty()) broken_ = model_->unknown(spec, gpus);
  return speed.rate;
}

// From `done` on at the speed of where the job is now.
void SimExecutor::begin_stretch(Gang& g) {
  const JobSpec& spec = workload_->specs[g.job.index()];
  g.stretch = model_->stretch(spec, g.gpus, g.config, g.done);
  if (!g.stretch.known && broken_.empty()) broken_ = model_->unknown(spec, g.gpus);
  if (g.stretch.left == kForever) return;
  g.stretch.left = time_for(Work{g.stretch.left.ns}, g.rate);
  if (g.stretch.left == kForever) return;
  if (g.stretch.until > g.total) {  // a child with a head start has less to do than the model thinks
    g.stretch.left = time_to(g, g.total);
    g.stretch.until = g.total;
  }
  const bool theirs = options_.rule != nullptr && options_.rule->stretch_end != nullptr;
  const Time ours = now_ + g.stretch.left;
  const Time end = theirs ? options_.rule->stretch_end(ours, now_) : ours;
  const bool last = g.stretch.until >= g.total;
  g.next = schedule(g, end, last ? kFinishClass : kProgressClass, last ? What::finish : What::stretch_end);
}

// The job reports as its speed changes.
void SimExecutor::end_stretch(Gang& g) {
  g.next = Queue::kNone;
  g.done = g.stretch.until;
  g.since = now_;
  begin_stretch(g);
  plan_publication(g);
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
      const Rate rate = in_stretches_ ? model_->share(spec, g.gpus, with) : speed_of(g, g.gpus, g.config, with);
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
  for (const SlowSpell& s : all.spells) {
    if (s.from < now_) continue;
    queue_.push(s.from, kNodeClass, {.what = What::slow_spell, .node = s.node, .slowdown = s.slowdown});
    queue_.push(s.to, kNodeClass, {.what = What::spell_end, .node = s.node, .slowdown = s.slowdown});
  }
  if (all.node_mtbs.ns == 0) return;
  for (std::uint32_t n = 0; n < topology_->node_count(); ++n) slow_by_chance_.emplace_back(options_.failures, n);
  for (std::uint32_t n = 0; n < topology_->node_count(); ++n) plan_onset(NodeId(n));
}

void SimExecutor::plan_onset(NodeId node) {
  const NodeSlowSpells::Spell next = slow_by_chance_[node.index()].next();
  Due due{.what = What::slow_spell, .by_chance = true, .node = node, .slowdown = next.slowdown};
  queue_.push(now_ + next.after, kNodeClass, due);
  due.what = What::spell_end;
  queue_.push(now_ + next.after + next.lasts, kNodeClass, due);
}

// A slow spell begins or ends. Gangs on the node go on at another speed, nobody else is looked at.
void SimExecutor::change_speed(const Due& due) {
  NodeSpeed& node = node_speed_[due.node.index()];
  const bool begins = due.what == What::slow_spell;
  if (begins)
    node.spells.push_back(due.slowdown);
  else
    node.spells.erase(std::find(node.spells.begin(), node.spells.end(), due.slowdown));
  if (begins && due.by_chance) plan_onset(due.node);
  Slowdown worst = kFullSpeed;
  for (const Slowdown s : node.spells) worst = std::max(worst, s);
  if (worst == node.slowdown) return;
  node.slowdown = worst;
  batch_.push_back(Event{.at = now_, .what = event::Slowed{due.node, worst}});
  for (const JobId job : gangs_on_[due.node.index()]) {
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
