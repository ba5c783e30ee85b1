// The only mutable truth of a run: every job's record, what is physically held, what is planned, and the lists
// that views are made of. Changed by events and plans only; everything else reads. Each change costs O(log)
// of what changed, nothing is ever rebuilt.
#pragma once

#include <map>
#include <span>
#include <vector>

#include "sim/api/plan.hpp"
#include "sim/api/view.hpp"
#include "sim/core/event.hpp"
#include "sim/core/fetch.hpp"

namespace orrery {

class ClusterState {
 public:
  // `specs` by JobId, `demands` and `predict` must outlive the state.
  ClusterState(const Topology& topology, const std::vector<JobSpec>& specs, const DemandTable& demands,
               const Predictor& predict, std::uint32_t retry_budget);

  // Applies a world event. False when it is stale (of an earlier incarnation) and changed nothing.
  bool apply(const Event& event);
  // Sets the plan's targets; the planned inventory already reflects them (PlanBuilder works in place).
  void accept(const Plan& plan);

  // Moves made by the reconciler.
  void launch(JobId job, Time now, GangId gang);
  void stopping(JobId job, Time now, bool by_policy);
  void reject(JobId job, Time now);
  void cancel(JobId job, Time now);  // precondition: it holds nothing
  // Takes away the target of a job that does not hold it yet (its node went down).
  void call_off(JobId job);

  [[nodiscard]] ClusterView view(Time now, std::uint64_t epoch, std::span<const Event> since_last) const;
  [[nodiscard]] const JobRecord& record(JobId job) const { return records_[job.index()]; }
  // Fetches what is kept of a job, and what is known of it (specs lie in the order of their ids).
  void expect(JobId job) const {
    fetch(records_[job.index()]);
    fetch(specs_[job.index()]);
  }
  [[nodiscard]] const std::vector<JobRecord>& records() const { return records_; }
  [[nodiscard]] const Inventory& physical() const { return physical_; }
  [[nodiscard]] Inventory& planned() { return planned_; }
  [[nodiscard]] const Inventory& planned() const { return planned_; }
  [[nodiscard]] const DemandTable& demands() const { return *demands_; }
  [[nodiscard]] std::size_t unfinished() const { return unfinished_; }
  // The merged jobs of a group that hold GPUs, in order of launch: the members of its gang. Null while none does.
  [[nodiscard]] const std::vector<JobId>* merged(GroupId group) const {
    const auto at = merged_.find(group);
    return at == merged_.end() ? nullptr : &at->second;
  }
  // The jobs whose standing targets say that they fill its bubbles; empty where there are none.
  [[nodiscard]] std::span<const JobId> fillers(JobId host) const {
    const auto at = fillers_.find(host);
    return at == fillers_.end() ? std::span<const JobId>() : std::span<const JobId>(at->second);
  }
  // Of a job that started from a version of a parent: whose, and what of its work that spares it, as it said itself.
  [[nodiscard]] event::Inherited inherited(JobId job) const {
    return inherited_.empty() ? event::Inherited{} : inherited_[job.index()];
  }
  // Of its work, what features that it found spare it, as it said itself.
  [[nodiscard]] Work spared(JobId job) const { return spared_.empty() ? Work{} : spared_[job.index()]; }
  [[nodiscard]] const FeatureSets& features() const { return features_; }
  // Jobs that hold an allocation.
  [[nodiscard]] std::size_t holders() const { return holders_; }
  [[nodiscard]] const IdSet<JobId>& pending() const { return pending_; }
  [[nodiscard]] const IdSet<JobId>& active() const { return active_; }
  // Nodes on which capacity has become free since the last call, for the reconciler.
  [[nodiscard]] std::vector<NodeId>& freed_nodes() { return freed_; }

  // Rebuilds lists and inventories from the records and compares: the differential oracle of debug builds
  // and tests. Throws AssertionFailed on a difference.
  void check_against_rebuild() const;

 private:
  JobRecord& mutable_record(JobId job) { return records_[job.index()]; }
  void move(JobRecord& r, JobState to, Time now);
  void settle(JobRecord& r, Time now) const;
  void release_held(JobRecord& r);
  void drop_target(JobRecord& r);
  void back_to_pending(JobRecord& r, Time now);
  void end(JobRecord& r, JobState how, Time now);
  void publish(JobId job, std::int32_t progress_per_mille, Time now);
  static void begin_anew(JobRecord& r, Time now);
  static bool note_progress(JobRecord& r, const event::Progress& says, Time now);
  void reconfigure(JobRecord& r, const event::Reconfigured& to, Time now);
  void share_steps(JobRecord& of, Time now);
  static void hear(JobRecord& r, Work done, Time now);
  void join_group(JobId job, const Target& t);
  void leave_group(const JobRecord& r);
  void check_groups() const;
  // Fillers, in fillers.cpp.
  void join_host(JobId job, JobId host);
  void leave_host(const JobRecord& r);
  void check_filler(JobId job) const;
  void check_hosts() const;
  void fill_steps(JobRecord& filler, Time now);

  const JobSpec* specs_;  // by JobId
  const Topology* topology_;
  const DemandTable* demands_;
  const Predictor* predict_;
  std::uint32_t retry_budget_;
  std::vector<JobRecord> records_;
  Inventory physical_;
  Inventory planned_;
  IdSet<JobId> pending_;                         // ready, without a standing run target
  IdSet<JobId> blocked_;                         // parents not ready
  IdSet<JobId> active_;                          // with a standing run or suspend target
  std::vector<std::vector<Version>> published_;  // [job]; empty where no job has parents
  std::vector<event::Inherited> inherited_;      // [job]; likewise
  std::vector<Work> spared_;                     // [job]; empty where no job needs features that are shared
  // Where the merged jobs of a group are to be, and how many there are.
  struct Group {
    Allocation gpus;
    std::size_t members = 0;
  };
  std::map<GroupId, Group> groups_;
  std::map<GroupId, std::vector<JobId>> merged_;   // those that hold GPUs, in order of launch
  std::map<JobId, std::vector<JobId>> fillers_;    // [host] those that are to fill its bubbles
  std::vector<std::vector<GpuTime>> attained_on_;  // [job][GPU type], before `since`; empty where there is one type
  FeatureSets features_{};
  std::vector<NodeId> freed_;
  std::size_t unfinished_ = 0;
  std::size_t holders_ = 0;
};

}  // namespace orrery
