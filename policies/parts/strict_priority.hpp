// Strict-priority fill, the core of every preemptive queue policy: walk {running and waiting} jobs in order of
// rank, let those that fit run (scanning past those that do not), preempt the rest. The caller owns the ranks;
// this class owns the two ordered collections and does the walk.
//
// Cost: with a counting placement and plain demands a walk costs (running jobs + jobs started + demand classes),
// whatever the length of the queue; a batch of arrivals that cannot displace anyone costs one pass over the
// running jobs. Other placements and demands take the general path, which places every candidate for real.
#pragma once

#include <vector>

#include "policies/parts/class_queues.hpp"
#include "sim/core/plan.hpp"
#include "sim/core/view.hpp"

namespace orrery {

// Smaller comes first. Ties: running before waiting, then by arrival.
using Rank = Int128;

class StrictPriority {
 public:
  struct Running {
    JobId job{};
    std::int32_t gpus = 0;
    Rank rank{};
    // For ranks that change as the job progresses, kept by the owner:
    Duration remaining{};  // as of `anchor`
    Time anchor{};
    Rate rate{};           // 0 while it makes no progress
    bool gone = false;     // ended; dropped by the next fill
  };
  struct Result {
    std::vector<JobId> started;    // in rank order
    std::vector<JobId> preempted;  // in rank order
  };

  // A job that waits, with its rank. Also for jobs that came back (failed, stopped by others).
  void add_waiting(const JobView& job, Rank rank);
  // A job that runs by an earlier decision (of another policy object); normally fill() does this itself.
  void add_running(const JobView& job, Rank rank);
  // The job has ended, or is no longer ours to schedule.
  void remove(JobId job);
  void capacity_changed() { full_walk_ = true; }
  void rank_changed() { full_walk_ = true; }  // the order among jobs changed in a way that may change the choice

  [[nodiscard]] std::vector<Running>& running() { return running_; }
  [[nodiscard]] Running* find_running(JobId job);
  [[nodiscard]] const ClassQueues<Rank>& waiting() const { return waiting_; }
  // Moves a waiting job to another rank.
  void rerank_waiting(const JobView& job, Rank rank);
  [[nodiscard]] bool is_waiting(JobId job) const;
  [[nodiscard]] Rank waiting_rank(JobId job) const { return place_[job.index()].rank; }

  // Decides. Ranks of running jobs must be up to date (the owner sets Running::rank first). `sticky_ranks` says
  // that since the last fill running jobs can only have moved forward relative to waiting ones, which makes the
  // arrivals-only shortcut valid.
  const Result& fill(const ClusterView& view, PlanBuilder& plan, Placement& placement, bool sticky_ranks);

 private:
  struct Place {
    enum Where : std::uint8_t { nowhere, waiting, running } where = nowhere;
    std::uint32_t index = 0;  // in running_
    Rank rank{};              // while waiting
  };

  [[nodiscard]] static bool before(const Running& a, const Running& b) {
    return a.rank != b.rank ? a.rank < b.rank : a.job < b.job;
  }
  Place& place(JobId job);
  void compact_and_sort();
  [[nodiscard]] bool some_arrival_can_run(const ClusterView& view, const PlanBuilder& plan) const;
  void walk_counting(const ClusterView& view, const PlanBuilder& plan);
  void walk_general(const ClusterView& view, PlanBuilder& plan, Placement& placement);
  bool make_room(JobId job, std::size_t from, const ClusterView& view, PlanBuilder& plan, Placement& placement);
  void apply(const ClusterView& view, PlanBuilder& plan, Placement& placement);
  void to_waiting(const JobView& job, Rank rank);
  void to_running(const JobView& job, Rank rank);

  std::vector<Running> running_;
  ClassQueues<Rank> waiting_;
  ClassScan<Rank> scan_;
  std::vector<Place> place_;        // [job]
  std::vector<JobId> arrivals_;     // added since the last fill
  Result result_;
  std::vector<std::pair<std::size_t, Allocation>> victims_;  // general path: index in running_, where it was
  std::vector<char> kept_;                         // general path: [running_] still in place
  bool full_walk_ = true;
  bool plain_only_ = true;          // every demand seen so far is plain
};

}  // namespace orrery
