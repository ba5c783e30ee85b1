#include "sim/world/sim_saves.hpp"

namespace orrery {

void SimSaves::plan(SimTable& t, SimGang& g, const SimSpeed& speed) const {
  const Duration every = checkpoints_.every;
  if (every.ns <= 0 || speed.done_within(g, every)) return;
  g.save = t.schedule(g, t.now + every, Due::kProgressClass, {.what = Due::What::checkpoint});
}

void SimSaves::begin(SimTable& t, SimGang& g, Due::What what) const {
  g.saving = true;
  for (DueQueue::Handle* h : {&g.next, &g.save, &g.publish, &g.assess, &g.features, &g.phase_end}) t.cancel(*h);
  DueQueue::Handle& end = what == Due::What::publication ? g.publish : g.save;
  end = t.schedule(g, t.now + cost(g, what), Due::kProgressClass, {.what = what});
}

}  // namespace orrery
