// A live world that begins in the middle of a run, where the control plane says that the run is: of a run that was
// simulated so far, or whose processes are gone. Every job that holds GPUs gets processes there, of the incarnation
// that it has, so a controller that goes on from the same state notices nothing but the time that they take to come
// up. What a paced job has done is laid down as its checkpoint, from which it goes on. A job that trains goes on from
// the newest one that its folder holds, whatever is believed of it: of a run that was only simulated, from nothing.
// Likewise what its parents published there is not in their folders, so it starts as one whose parents have nothing.
#include <fmt/format.h>

#include <algorithm>

#include "backend/live/live_executor.hpp"
#include "backend/protocol/checkpoint_dir.hpp"

namespace orrery::live {

LiveExecutor::LiveExecutor(const Topology& topology, const Workload& workload, const PerformanceModel& model,
                           std::unique_ptr<Engine> engine, LiveOptions options, const ClusterState& known, Time now)
    : LiveExecutor(topology, workload, model, std::move(engine), std::move(options), now) {
  const ClusterView view = known.view(now, 0, {});
  // A node that was away is there, and nobody else will say so.
  for (std::uint32_t n = 0; n < topology.node_count(); ++n)
    if (const NodeId node(n); known.physical().is_down(node))
      verdicts_.push_back(Event{.what = event::Capacity{node, topology.node(node).gpus}});
  std::vector<const JobRecord*> fillers;  // what they get is known when their hosts are there
  for (const JobRecord& r : known.records()) {
    const JobId job = r.spec->id;
    Gang& g = gangs_[job];
    g.job = job;
    if (r.anew_in > 0) begin_anew(job, r.anew_in);
    if (task_of(job) != nullptr) g.done = g.committed = in_folder(job);  // its children ask when it has ended, too
    if (!r.known || is_final(r.state)) continue;
    if (task_of(job) == nullptr) {
      if (r.state != JobState::starting || r.done.ns > 0) {  // what it inherited it has said
        g.heir_of = known.inherited(job).parent;
        g.total = workload.truths[job.index()].work - known.inherited(job).saved;
        g.assessed = view.job(job).done >= epoch_work(workload.truths[job.index()]);
      }
      g.done = g.committed = holds_gpus(r.state) ? std::min(view.job(job).done, total_of(job)) : r.committed;
    }
    if (const auto versions = view.versions(job); !versions.empty())
      g.published_at = versions.back().progress_per_mille;
    if (task_of(job) != nullptr) g.published_at = std::min(g.published_at, progress_of(g));
    lay_down(g, r.incarnation);
    if (r.held_sharing == Sharing::filler && holds_gpus(r.state))
      fillers.push_back(&r);
    else if (holds_gpus(r.state))
      take_up(g, r);
  }
  for (const JobRecord* const r : fillers) take_up(gangs_[r->spec->id], *r);
}

// What the newest checkpoint of a job holds.
Work LiveExecutor::in_folder(JobId job) const {
  const CheckpointSearch found = load_checkpoint(folder_of(job) + "/checkpoints");
  return found.newest ? found.newest->checkpoint.stamp.done : Work{};
}

// The checkpoint of a paced job.
void LiveExecutor::lay_down(const Gang& g, Incarnation incarnation) {
  if (task_of(g.job) != nullptr || g.committed.ns == 0) return;
  const CheckpointStamp stamp{fmt::format("{}", g.job.value), std::max<std::int64_t>(incarnation, 1), 0, 0,
                              g.committed};
  const auto saved = save_checkpoint(folder_of(g.job) + "/checkpoints", {stamp, {}, {}});
  if (!saved && broken_.empty()) broken_ = saved.error().items.at(0).message;
}

// The job goes on doing what it did. One that was being stopped has stopped.
void LiveExecutor::take_up(Gang& g, const JobRecord& r) {
  const Member member{r.spec->id, r.incarnation, r.held_config};
  const LaunchRequest request{r.gang, {&member, 1}, &r.held, r.held_sharing, r.held_group};
  if (r.state == JobState::stopping) {
    (void)gangs_.enter(request, member);
    verdicts_.push_back(Event{.job = g.job, .what = event::Stopped{g.committed}});
    return;
  }
  const Duration cost = options_.overheads.start_cost(*r.spec, r.incarnation);
  const bool starts = r.state == JobState::starting;
  g.start_left = starts ? std::max(r.since + cost - now_, Duration{}) : Duration{};
  launch(request, member);
  if (!g.there()) return;  // broken
  if (r.state == JobState::running) g.phase = Phase::running;
  g.freezes = r.state == JobState::suspended;
  if (g.freezes) g.phase = Phase::suspended;
}

}  // namespace orrery::live
