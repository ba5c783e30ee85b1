// How fast jobs run in the simulated world, and how far they get: by the speed model alone, in stretches of even
// speed where it has those, and at speeds that change with the network's load, with who else is on the GPUs and with
// who is merged into the gang. Work is counted when it is asked for (settle()); the executor plans what follows.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "sim/api/bubbles.hpp"
#include "sim/core/truth.hpp"
#include "sim/models/network/network_model.hpp"
#include "sim/world/filled_steps.hpp"
#include "sim/world/merged_steps.hpp"
#include "sim/world/neighbours.hpp"
#include "sim/world/sim_table.hpp"

namespace orrery {

struct ProgressRule;

class SimSpeed {
 public:
  // All must outlive this; `network` may be null: then jobs share no links; `rule` is of a simulator that is
  // emulated; `fill_cost`: what filling bubbles costs hosts.
  SimSpeed(const Topology& topology, const Workload& workload, const PerformanceModel& model,
           const NetworkModel* network, const ProgressRule* rule, const FillCost& fill_cost);

  [[nodiscard]] bool in_stretches() const { return in_stretches_; }
  // A launch: its speed while nobody is in the way; what it depends on is kept, or in any case what it holds.
  void enter(SimTable& t, SimGang& g, const LaunchRequest& request, const Member& member, bool keeps);
  // The job begins, or ceases, to make steps. Stopping one that makes none does nothing.
  void start(const SimGang& g);
  void stop(const SimGang& g);
  // It goes on with another configuration, which is set already.
  void reconfigured(const SimGang& g);
  // Calls change(gang, healthy, turns) for those whose others have changed since the last call.
  template <class Change>
  void update(SimTable& t, Change change);
  // `healthy`, as it is in its phase, short of CPUs, with others in turns, merged with others, in bubbles or with
  // others in its own, on slow nodes.
  [[nodiscard]] Rate present(const SimGang& g) const;

  // Progress up to now is added to the job's work done.
  void settle(SimGang& g, Time now) const;
  // When the job will finish, or its speed changes: `next` of the gang.
  void plan_end(SimTable& t, SimGang& g) const;
  // The stretch is over.
  void end_stretch(SimTable& t, SimGang& g) const;
  // How long until so much work is done; for ever where speed changes before.
  [[nodiscard]] Duration time_to(const SimGang& g, Work at) const;
  // It finishes no later than so long from now.
  [[nodiscard]] bool done_within(const SimGang& g, Duration d) const;
  // Why the job cannot go on with that configuration.
  [[nodiscard]] Refusal refusal(const SimGang& g, const RunConfig& config) const;

 private:
  [[nodiscard]] const JobSpec& spec(JobId job) const { return workload_->specs[job.index()]; }
  void begin_stretch(SimTable& t, SimGang& g) const;
  [[nodiscard]] Rate speed_of(SimTable& t, const SimGang& g, const Allocation& gpus, const RunConfig& config,
                              std::span<const JobId> with) const;
  [[nodiscard]] Rate beside(SimTable& t, const SimGang& g);
  [[nodiscard]] StageUse use_of(const SimGang& filler) const;
  [[nodiscard]] std::int64_t loss_of(const SimGang& filler) const;

  const Topology* topology_;
  const Workload* workload_;
  const PerformanceModel* model_;
  const ProgressRule* rule_;
  bool in_stretches_;
  std::optional<NetworkContention> contention_;
  std::optional<Neighbours> neighbours_;  // where the model minds them; else, from the first group on, of groups
  MergedSteps merged_;
  FillCost fill_cost_;
  FilledSteps filled_;
  std::vector<JobId> apart_;
};

template <class Change>
void SimSpeed::update(SimTable& t, Change change) {
  Gangs<SimGang>& gangs = t.gangs;
  if (contention_)
    for (const auto& [job, rate] : contention_->update()) change(gangs[job], rate, gangs[job].turns);
  if (neighbours_)
    for (const JobId job : neighbours_->changed()) {
      SimGang& g = gangs[job];
      if (g.in_group)
        change(g, g.healthy, neighbours_->most_on_one(job));
      else
        change(g, beside(t, g), std::int64_t{1});
    }
  for (const auto& [gang, job] : merged_.changed()) change(gangs[job], gangs[job].healthy, gangs[job].turns);
  for (const JobId host : filled_.changed())
    if (SimGang* const g = gangs.look(host)) change(*g, g->healthy, g->turns);
}

}  // namespace orrery
