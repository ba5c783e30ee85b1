// The simulated world's phases: jobs whose steps are not alike go at another speed in each (JobSpec::phases), and say
// so where one begins, at exactly that much work. Where nodes' CPUs are contended for, what a job decodes decides how
// many it gets. Does nothing for other jobs.
#pragma once

#include <optional>

#include "sim/api/job_phases.hpp"
#include "sim/core/truth.hpp"
#include "sim/models/speed/cpu_shares.hpp"
#include "sim/world/sim_table.hpp"

namespace orrery {

class SimPhases {
 public:
  // Both must outlive this. `contend`: jobs share the CPUs of their nodes.
  SimPhases(const Topology& topology, const Workload& workload, bool contend) : workload_(&workload) {
    if (contend) shares_.emplace(topology);
  }

  // Whether what the job holds is to be kept.
  [[nodiscard]] bool minds(const JobSpec& spec) const { return !spec.phases.empty() || (shares_ && wants(spec)); }
  // The job begins to make steps, in the phase of what it has done; or has got as far as another one.
  // False where nothing of this changes its speed.
  bool enter(SimGang& g);
  // It makes none any more.
  void leave(SimGang& g) {
    if (!shares_) return;
    shares_->leave(g.job);
    g.decodes = kUnitRate;
  }
  // Where the next phase begins; nothing in the last one.
  [[nodiscard]] std::optional<Work> next(const SimGang& g) const;
  // What the job says of its phase, where that is not what it said last.
  [[nodiscard]] static std::optional<event::Progress> tell(SimGang& g);
  // Calls change(gang) for those who get more CPUs, or fewer, than at the last call.
  template <class Change>
  void update(SimTable& t, Change change) {
    if (!shares_) return;
    for (const auto& [job, speed] : shares_->update()) {
      SimGang& g = t.gangs[job];
      g.decodes = speed;
      change(g);
    }
  }

 private:
  [[nodiscard]] const JobSpec& spec(JobId job) const { return workload_->specs[job.index()]; }
  // CPUs of its nodes, whatever its phases.
  [[nodiscard]] static bool wants(const JobSpec& spec) { return spec.demand.cpu_milli > 0; }

  const Workload* workload_;
  std::optional<CpuShares> shares_;
};

}  // namespace orrery
