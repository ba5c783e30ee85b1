// The simulated world's versions: a job publishes what others may start from, and a child starts from what a parent
// has published, which decides how much work it has. Empty where no job has parents.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "sim/core/truth.hpp"
#include "sim/models/lifecycle/first_epoch.hpp"
#include "sim/models/lifecycle/transfer.hpp"
#include "sim/world/sim_table.hpp"

namespace orrery {

// What a launch starts from: a version, 1, 2, ..., of a parent; no parent: its base checkpoint.
struct StartsFrom {
  JobId parent{};
  std::uint32_t version = 0;
};

class SimVersions {
 public:
  // `workload` must outlive this.
  SimVersions(const PublishModel& model, AssessModel assess, const Workload& workload)
      : workload_(&workload),
        assess_(assess),
        points_(publish_points(model, workload.specs)),
        versions_(points_.size()) {}

  // What has been published so far, in the middle of a run.
  void know(const ClusterView& view) {
    for (std::size_t i = 0; i < versions_.size(); ++i)
      for (const Version& v : view.versions(JobId(static_cast<std::uint32_t>(i))))
        versions_[i].push_back(v.progress_per_mille);
  }
  [[nodiscard]] bool empty() const { return versions_.empty(); }
  // What a launch starts from: its own work where it has some, else a version of a parent, else its base checkpoint.
  StartsFrom inherit(SimGang& g, const RunConfig& config) const;
  // What the job has inherited by its present launch, once: to be said as it starts, before it does.
  [[nodiscard]] std::optional<event::Inherited> inherited(SimGang& g) const;
  // The end of the first epoch of a job that has inherited, where somebody compares and it has not come yet.
  [[nodiscard]] std::optional<Work> first_epoch(const SimGang& g) const;
  // It is over: what it was worth. Said once of all that the job has done since it inherited.
  [[nodiscard]] event::Assessed assess(SimGang& g) const;
  // The work at which it publishes next; nothing when there is no such point before its end.
  [[nodiscard]] std::optional<Work> next_point(const SimGang& g) const;
  // A version of what it has done.
  [[nodiscard]] event::Published publish(const SimGang& g);
  // Finishing publishes; `finished` says so.
  void publish_last(const SimGang& g) {
    if (!versions_.empty()) versions_[g.job.index()].push_back(1000);
  }

 private:
  const Workload* workload_;
  AssessModel assess_;
  std::vector<std::vector<std::int32_t>> points_;    // [job] where it publishes, per mille of its work
  std::vector<std::vector<std::int32_t>> versions_;  // [job] progress of each
};

}  // namespace orrery
