// Rule R7 of LINEAGE, the other half: a start that was a mistake is broken off (docs/policies/lineage.md). When a
// child's first epoch has been compared with one from its base checkpoint (event `assessed`: it was worth b of them,
// with standard error s), a one-sided normal test at 1 % asks whether the child gets on more slowly than from its
// base:
//
//   slower  iff  (1 - b) / s > 2.326
//
// Of children that lose nothing (b = 1) one in a hundred is taken for one that does; of those whose epoch is worth
// 1 - 2.326 s - 1.282 s at most, nine in ten are found out. A slower child drops what it has done and begins anew
// where that is sooner at its end, as is believed then: more work left than from its base, and a restart. So where
// the children of a pair gain alike, a parent costs none more than an epoch and a restart beyond what its base would
// have taken.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "policies/transfer/lineage_gains.hpp"
#include "sim/api/plan.hpp"

namespace orrery {

// The test; in epochs.
[[nodiscard]] bool slower_than_base(double worth, double error);

// Who begins anew; nobody who is merged with others, whose backbone is that version's. A child that was told to, and
// whose launch then failed or was put off, is told again whenever it starts.
class LineageAbort {
 public:
  explicit LineageAbort(bool on) : on_(on) {}

  // Every event of the run, in order, after `gains` has followed it.
  void follow(const ClusterView& view, const Event& e, LineageGains& gains);
  // The job is started now: what it starts from. Of one that goes on with its own work the default.
  [[nodiscard]] RunConfig start(const ClusterView& view, JobId job, LineageGains& gains);
  // Tells those who run to begin anew where they are; who was told.
  const std::vector<JobId>& apply(const ClusterView& view, PlanBuilder& plan, LineageGains& gains);

  // It is to begin anew, or does so as it starts.
  [[nodiscard]] bool drops(JobId job) const { return dropping_.contains(job); }

  // What restarts were seen to take, in the mean.
  [[nodiscard]] Duration restart() const;

 private:
  void assessed(const ClusterView& view, const Event& e, LineageGains& gains);
  void started(const ClusterView& view, const Event& e, LineageGains& gains);
  void told(JobId job, Time at) {
    if (on_) told_[job] = at;
  }
  // What it then starts from: another parent that helped others, else its base checkpoint.
  [[nodiscard]] RunConfig anew(const ClusterView& view, const JobSpec& spec, const LineageGains& gains) const;

  bool on_;
  struct Slower {
    JobId than{};                // the parent that it started from
    std::int64_t per_mille = 0;  // what its first epoch was worth
    Incarnation in = 0;          // the launch that this was in: all later ones are anew
  };
  std::map<JobId, Slower> dropping_;
  std::vector<JobId> asked_;  // of them, whom to tell now
  std::vector<JobId> done_;
  std::map<JobId, Time> told_;  // who was told to start, and has not begun
  double restart_s_ = 0;        // sum
  std::int64_t restarts_ = 0;
};

}  // namespace orrery
