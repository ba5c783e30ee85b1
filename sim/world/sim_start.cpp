// A simulated world that begins in the middle of a run, where the control plane says that the run is. That is exact
// for jobs that run at the speed that the control plane believes. A child goes on from the version that it started
// from: it said what that spared it. One that has not started yet starts from what was there when it was launched,
// one that is launched later from what is there then.
#include <algorithm>
#include <vector>

#include "sim/world/sim_executor.hpp"

namespace orrery {
namespace {

// The configuration of a job that was launched in the past: what it inherits is what was the newest version then.
RunConfig as_launched(const ClusterView& view, const JobRecord& r) {
  RunConfig config = r.held_config;
  if (config.start_version == kFromBase) return config;
  for (const Dependency& d : r.spec->after) {
    if (config.start_parent.valid() && config.start_parent != d.parent) continue;
    const std::span<const Version> all = view.versions(d.parent);
    const auto then = std::count_if(all.begin(), all.end(), [&r](const Version& v) { return v.at <= r.since; });
    if (then == 0) continue;
    const auto newest = static_cast<std::uint32_t>(then);
    config.start_parent = d.parent;
    config.start_version = config.start_version == 0 ? newest : std::min(config.start_version, newest);
    return config;
  }
  config.start_version = kFromBase;
  return config;
}

}  // namespace

SimExecutor::SimExecutor(const Topology& topology, const Workload& workload, const PerformanceModel& model,
                         SimOptions options, const ClusterState& known, Time now)
    : topology_(&topology),
      workload_(&workload),
      model_(&model),
      options_(std::move(options)),
      table_(workload.specs.size()),
      speed_(topology, workload, model, options_.network, options_.rule, options_.fill_cost),
      faults_(topology, options_.failures),
      versions_(options_.publishes, options_.assess, workload),
      features_(options_.features, workload),
      phases_(topology, workload, options_.cpus),
      saves_(options_.checkpoints, options_.publishes) {
  table_.now = now;
  make_tolls();
  faults_.plan(table_, &known.physical());
  const ClusterView view = known.view(now, 0, {});
  versions_.know(view);
  features_.know(known.features());
  std::vector<const JobRecord*> jobs;
  for (const JobRecord& r : known.records())
    if (r.known && !is_final(r.state)) jobs.push_back(&r);
  // In order of launch: so they fail, when their node does.
  std::stable_sort(jobs.begin(), jobs.end(),
                   [](const JobRecord* a, const JobRecord* b) { return a->gang < b->gang; });
  for (const JobRecord* r : jobs) take_up(view, *r, known);
}

// A job with what it is believed to have done; where it holds GPUs, it goes on doing what it did. What it inherited
// it has said, unless it is to say so when it starts.
void SimExecutor::take_up(const ClusterView& view, const JobRecord& r, const ClusterState& known) {
  SimGang& g = table_.gangs[r.spec->id];
  g.job = r.spec->id;
  if (holds_gpus(r.state)) {
    const Member member{r.spec->id, r.incarnation, as_launched(view, r)};
    launch({r.gang, {&member, 1}, &r.held, r.held_sharing, r.held_group});
    g.config = r.held_config;
  }
  if (r.state != JobState::starting || r.done.ns > 0) {
    const event::Inherited from = known.inherited(g.job);
    g.spared = known.spared(g.job);
    g.total = workload_->truths[g.job.index()].work - from.saved - g.spared;
    g.heir_of = JobId{};
    g.source = from.parent;
    features_.know(g, known.features());
  }
  g.committed = r.committed;
  g.said_phase = r.phase;
  g.done = holds_gpus(r.state) ? std::min(view.job(g.job).done, g.total) : r.done;
  if (!holds_gpus(r.state)) return;
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
