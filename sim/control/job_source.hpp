// Where jobs come from: announces each job at its submit time and releases children when their parents allow
// it. On the control side of the seam, because arrivals and dependencies are the same in both worlds.
#pragma once

#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "sim/core/event.hpp"
#include "sim/core/job.hpp"

namespace orrery {

class JobSource {
 public:
  // What is claimed about a job's run time when it is submitted; nothing if nobody claims anything.
  using EstimateOf = std::function<std::optional<Duration>(const JobSpec&)>;
  // `specs` by JobId in (submit, id) order; must outlive the source.
  JobSource(const std::vector<JobSpec>& specs, EstimateOf estimate);

  // Asks somebody else for estimates from now on: a fork has a history of its own.
  void ask(EstimateOf estimate) { estimate_ = std::move(estimate); }
  // The next submit time, kNever when all jobs are announced.
  [[nodiscard]] Time next_submit() const;
  // The job that is announced next; none when all are.
  [[nodiscard]] JobId upcoming() const { return exhausted() ? JobId{} : JobId(static_cast<std::uint32_t>(next_)); }
  [[nodiscard]] bool exhausted() const { return next_ == specs_->size(); }
  // Appends `submit` (and `ready`, where nothing holds the job back) for all jobs due at `now`.
  void release(Time now, std::vector<Event>& out);
  // A job has ended. Appends `ready` for children that may run now; puts those that never will (a hard parent
  // did not finish) into `doomed`.
  void ended(Time now, JobId job, bool finished, std::vector<Event>& out, std::vector<JobId>& doomed);
  // A job has published a version with `per_mille` of its work. Appends `ready` for children that may run now.
  void published(Time now, JobId job, std::int32_t per_mille, std::vector<Event>& out);
  // A hard parent of the job has ended without publishing what the job needs: it can never run.
  [[nodiscard]] bool doomed(JobId job) const { return !children_.empty() && is_doomed((*specs_)[job.index()]); }

 private:
  struct Parent {
    std::int32_t progress_per_mille = 0;  // published so far; finishing publishes the last version
    bool ended = false;
  };
  [[nodiscard]] bool may_run(const JobSpec& spec) const;
  [[nodiscard]] bool is_doomed(const JobSpec& spec) const;
  void ready(Time now, const JobSpec& spec, std::vector<Event>& out);

  const std::vector<JobSpec>* specs_;
  EstimateOf estimate_;
  std::vector<std::vector<JobId>> children_;  // empty when no job has parents
  std::vector<Parent> parents_;               // [job], likewise
  std::vector<bool> ready_;                   // [job], likewise: said to be ready
  std::size_t next_ = 0;
};

}  // namespace orrery
