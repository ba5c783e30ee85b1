// A simulated world that begins in the middle of a run, where the control plane says that the run is. That is exact
// for jobs that run at the reference rate; of a job that is suspended the control plane knows only what it last said.
#include <algorithm>

#include "sim/world/sim_executor.hpp"

namespace orrery {

SimExecutor::SimExecutor(const Topology& topology, const Workload& workload, const PerformanceModel& model,
                         SimOptions options, const ClusterState& known, Time now)
    : topology_(&topology),
      workload_(&workload),
      model_(&model),
      options_(std::move(options)),
      in_stretches_(model.in_stretches()),
      now_(now),
      gangs_(workload.specs.size()),
      points_(publish_points(options_.publishes, workload.specs)),
      versions_(points_.size()) {
  make_parts();
  plan_failures(&known.physical());
  const ClusterView view = known.view(now, 0, {});
  for (std::size_t i = 0; i < versions_.size(); ++i)
    for (const Version& v : view.versions(JobId(static_cast<std::uint32_t>(i))))
      versions_[i].push_back(v.progress_per_mille);
  for (const JobRecord& r : known.records())
    if (r.known && !is_final(r.state)) take_up(r, view.job(r.spec->id).done);
}

// A job with what it is believed to have done; where it holds GPUs, it goes on doing what it did.
void SimExecutor::take_up(const JobRecord& r, Work done) {
  Gang& g = gangs_[r.spec->id.index()];
  g.job = r.spec->id;
  if (!holds_gpus(r.state)) {
    inherit(g, {});
    g.heir_of = JobId{};
    g.committed = r.committed;
    g.done = r.done;
    return;
  }
  const Member member{r.spec->id, r.held_config};
  launch({r.gang, r.incarnation, {&member, 1}, &r.held, r.held_sharing, r.held_group});
  if (r.incarnation > 1 || r.state != JobState::starting) g.heir_of = JobId{};
  g.committed = r.committed;
  g.done = std::min(done, g.total);
  if (r.state == JobState::starting) {
    const Duration cost = options_.overheads.start_cost(*r.spec, r.incarnation) + model_->start_cost(*r.spec, r.held);
    queue_.reschedule(g.next, std::max(now_, r.since + cost));
    return;
  }
  cancel_pending(g);
  if (r.state == JobState::running) return run_from_now(g);
  g.phase = r.state == JobState::suspended ? Phase::suspended : Phase::stopping;
  if (g.phase == Phase::suspended) return;
  const Time stopped = r.since + options_.overheads.stop_cost(*r.spec, r.incarnation);
  g.next = schedule(g, std::max(now_, stopped), kStopClass, What::stop, g.done);
}

}  // namespace orrery
