// The simulated world's saves: a job stands still for a checkpoint by the clock, for one that was asked for, and for
// a publication, which is one, too; what breaks a save off tells how long that was.
#include "sim/world/sim_executor.hpp"

namespace orrery {

// The next checkpoint, unless the job finishes first.
void SimExecutor::plan_checkpoint(Gang& g) {
  const Duration every = options_.checkpoints.every;
  if (every.ns <= 0) return;
  const Work left = g.total - g.done;
  if (!in_stretches_ && time_for(left, g.rate) <= every) return;
  if (in_stretches_ && g.stretch.until - g.done == left && g.stretch.left <= every) return;
  g.save = schedule(g, now_ + every, kProgressClass, What::checkpoint);
}

// The job stands still for a checkpoint or a publication, until it has been written.
void SimExecutor::begin_save(Gang& g, What what) {
  const bool publishes = what == What::publication;
  g.saving = true;
  for (Queue::Handle* h : {&g.next, &g.save, &g.publish}) {
    if (*h != Queue::kNone) queue_.cancel(*h);
    *h = Queue::kNone;
  }
  const Duration cost = publishes ? options_.publishes.cost : options_.checkpoints.cost_of(g.job);
  (publishes ? g.publish : g.save) = schedule(g, now_ + cost, kProgressClass, what);
}

// A checkpoint begins (nothing is said yet) or ends.
void SimExecutor::checkpoint(Gang& g) {
  g.save = Queue::kNone;
  const Duration cost = options_.checkpoints.cost_of(g.job);
  if (!g.saving) {
    settle(g);
    if (cost.ns > 0) return begin_save(g, What::checkpoint);
  }
  g.committed = g.done;
  say(g, event::Checkpointed{g.committed, cost});
  if (g.saving) {
    g.saving = false;
    g.since = now_;
    plan_end(g);
  }
  plan_publication(g);
  plan_checkpoint(g);
}

// For a save that is broken off: what it stood still for was for nothing, and is told, by whatever ends it first.
Duration SimExecutor::stood_still(const Gang& g) const {
  if (g.phase == Phase::stopping) return g.broken_save;
  return g.saving ? now_ - g.since : Duration{};
}

void SimExecutor::command(GangId gang, Incarnation incarnation, const Command& command) {
  Gang* g = find(gang, incarnation);
  if (g == nullptr) return;
  settle(*g);
  const bool publishes = command.kind == Command::Kind::publish && !versions_.empty();
  const bool saves = command.kind == Command::Kind::checkpoint;
  if ((!publishes && !saves) || g->phase != Phase::running || g->saving || g->publishes_now) {
    schedule(*g, now_, kProgressClass, What::refusal);
    return;
  }
  const Duration cost = publishes ? options_.publishes.cost : options_.checkpoints.cost_of(g->job);
  if (cost.ns > 0) return begin_save(*g, publishes ? What::publication : What::checkpoint);
  if (publishes) {
    if (g->publish != Queue::kNone) queue_.cancel(g->publish);
    g->publish = schedule(*g, now_, kProgressClass, What::publication);
    g->publishes_now = true;
    return;
  }
  g->committed = g->done;
  schedule(*g, now_, kProgressClass, What::saved, g->done);
  if (g->save != Queue::kNone) queue_.cancel(g->save);
  g->save = Queue::kNone;
  plan_checkpoint(*g);
}

}  // namespace orrery
