// A simulated world that begins in the middle of a run, where the control plane says that the run is. That is exact
// for jobs that run at the speed that the control plane believes.
#include <algorithm>
#include <vector>

#include "sim/world/sim_executor.hpp"

namespace orrery {

SimExecutor::SimExecutor(const Topology& topology, const Workload& workload, const PerformanceModel& model,
                         SimOptions options, const ClusterState& known, Time now)
    : topology_(&topology),
      workload_(&workload),
      model_(&model),
      options_(std::move(options)),
      table_(workload.specs.size()),
      speed_(topology, workload, model, options_.network, options_.rule),
      faults_(topology, options_.failures),
      versions_(options_.publishes, workload),
      saves_(options_.checkpoints, options_.publishes) {
  table_.now = now;
  make_tolls();
  faults_.plan(table_, &known.physical());
  const ClusterView view = known.view(now, 0, {});
  versions_.know(view);
  std::vector<const JobRecord*> jobs;
  for (const JobRecord& r : known.records())
    if (r.known && !is_final(r.state)) jobs.push_back(&r);
  // In order of launch: so they fail, when their node does.
  std::stable_sort(jobs.begin(), jobs.end(),
                   [](const JobRecord* a, const JobRecord* b) { return a->gang < b->gang; });
  for (const JobRecord* r : jobs) take_up(*r, view.job(r->spec->id).done);
}

// A job with what it is believed to have done; where it holds GPUs, it goes on doing what it did.
void SimExecutor::take_up(const JobRecord& r, Work done) {
  SimGang& g = table_.gangs[r.spec->id];
  g.job = r.spec->id;
  if (!holds_gpus(r.state)) {
    versions_.inherit(g, {});
    g.heir_of = JobId{};
    g.committed = r.committed;
    g.done = r.done;
    return;
  }
  const Member member{r.spec->id, r.incarnation, r.held_config};
  launch({r.gang, {&member, 1}, &r.held, r.held_sharing, r.held_group});
  if (r.incarnation > 1 || r.state != JobState::starting) g.heir_of = JobId{};
  g.committed = r.committed;
  g.done = std::min(done, g.total);
  if (r.state == JobState::starting) {
    const Duration cost = options_.overheads.start_cost(*r.spec, r.incarnation) + model_->start_cost(*r.spec, r.held);
    table_.queue.reschedule(g.next, std::max(table_.now, r.since + cost));
    return;
  }
  cease(g);
  if (r.state == JobState::running) return run_from_now(g);
  g.phase = r.state == JobState::suspended ? Phase::suspended : Phase::stopping;
  if (g.phase == Phase::suspended) return;
  const Time stopped = r.since + options_.overheads.stop_cost(*r.spec, r.incarnation);
  g.next = table_.schedule(g, std::max(table_.now, stopped), Due::kStopClass, {.what = What::stop, .work = g.done});
}

}  // namespace orrery
