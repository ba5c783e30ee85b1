// Strict-priority fill, the core of every preemptive queue policy: walk {running and waiting} jobs in order of
// rank, let those that fit run (scanning past those that do not), preempt the rest. The caller owns the ranks;
// this class owns the two ordered collections and does the walk.
//
// Cost: with a counting placement and plain demands a walk costs (jobs started or preempted + demand classes) times
// about the square root of the running jobs, whatever the length of the queue. Other placements and demands take the
// general path, which places every candidate for real.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "policies/parts/class_queues.hpp"
#include "policies/parts/ranked_running.hpp"
#include "policies/parts/room_maker.hpp"
#include "sim/api/plan.hpp"
#include "sim/api/view.hpp"

namespace orrery {

class StrictPriority {
 public:
  StrictPriority();
  // Compiled once: the compiler would else write them out wherever one is copied or destroyed.
  StrictPriority(const StrictPriority&);
  StrictPriority(StrictPriority&&) noexcept;
  StrictPriority& operator=(const StrictPriority&);
  StrictPriority& operator=(StrictPriority&&) noexcept;
  ~StrictPriority();

  // Every decision may look at all of them: the order of the members keeps it small.
  struct Running {
    Rank rank{};
    // For ranks that change as the job progresses, kept up by refresh():
    Duration remaining{};  // as of `anchor`
    Time anchor{};
    Rate rate{};  // 0 while it makes no progress
    JobId job{};
    std::int32_t gpus = 0;
  };
  struct Result {
    std::vector<JobId> started;    // in rank order
    std::vector<JobId> preempted;  // in rank order
  };

  // What an event means for the job it is about. A job that begins to wait or to run has been taken out of whatever
  // it was in; the caller adds it with its rank. One that has ended is gone.
  enum class Fate : std::uint8_t {
    unchanged,
    waits,  // it is the policy's to start (again)
    runs,   // by an earlier decision: this object was made in the middle of a run
    ended,
  };
  Fate follow(const ClusterView& view, const Event& e);

  // A job that waits, with its rank. Also for jobs that came back (failed, stopped by others).
  void add_waiting(const JobView& job, Rank rank);
  // A job that runs by an earlier decision (of another policy object); normally fill() does this itself.
  void add_running(const JobView& job, Rank rank);
  // The job has ended, or is no longer ours to schedule.
  void remove(JobId job);
  void capacity_changed() { full_walk_ = true; }
  void rank_changed() { full_walk_ = true; }  // the order among jobs changed in a way that may change the choice

  [[nodiscard]] const std::vector<Running>& running() const { return running_; }  // in no order
  [[nodiscard]] Running* find_running(JobId job);  // change its rank by rerank_running() only
  // Takes a running job's remaining time and speed from the view; they hold until its next event.
  void refresh(const ClusterView& view, JobId job);
  // The same with a remaining time of the caller's own belief, as of now.
  void refresh(const ClusterView& view, JobId job, Duration remaining);
  [[nodiscard]] static Duration remaining_at(const Running& r, Time now);
  void rerank_running(JobId job, Rank rank);
  // New ranks for all running jobs: rank_of(const Running&).
  template <class RankOf>
  void rerank_all_running(RankOf rank_of) {
    ranked_.rerank([this, &rank_of](std::uint32_t slot) {
      Running& r = running_[slot];
      return r.rank = rank_of(r);
    });
  }
  [[nodiscard]] const ClassQueues<Rank>& waiting() const { return waiting_; }
  // Moves a waiting job to another rank.
  void rerank_waiting(const JobView& job, Rank rank);
  [[nodiscard]] bool is_waiting(JobId job) const;
  [[nodiscard]] Rank waiting_rank(JobId job) const { return place_[job.index()].rank; }

  // Decides. Ranks of running jobs must be up to date. `sticky_ranks` says
  // that since the last fill running jobs can only have moved forward relative to waiting ones, which makes the
  // arrivals-only shortcut valid.
  const Result& fill(const ClusterView& view, PlanBuilder& plan, Placement& placement, bool sticky_ranks) {
    return fill(view, plan, placement, sticky_ranks, {});
  }
  // The same, asking `admits(job)` of every waiting job that comes so far in the order that it would be started if it
  // fits; one that is not admitted goes on waiting, with its rank. Whoever answers otherwise next time says so by
  // rank_changed().
  // `companions(job)`: jobs that are no running ones of this object, hold the same GPUs as a running one, and are
  // preempted when that is; the caller puts them among those that wait.
  using Admits = std::function<bool(JobId)>;
  using Companions = RoomMaker::Companions;
  const Result& fill(const ClusterView& view, PlanBuilder& plan, Placement& placement, bool sticky_ranks,
                     const Admits& admits, const Companions& companions = {});

 private:
  struct Place {
    enum Where : std::uint8_t { nowhere, waiting, running } where = nowhere;
    std::uint32_t index = 0;  // in running_
    Rank rank{};              // while waiting
  };

  Place& place(JobId job);
  [[nodiscard]] bool some_arrival_can_run(const ClusterView& view, const PlanBuilder& plan) const;
  void walk_counting(const ClusterView& view, const PlanBuilder& plan, const Admits& admits);
  void walk_general(const ClusterView& view, PlanBuilder& plan, Placement& placement, const Admits& admits,
                    const Companions& companions);
  void apply(const ClusterView& view, PlanBuilder& plan, Placement& placement, const Companions& companions);
  static void stays_merged(const ClusterView& view, JobId job, PlanBuilder& plan);
  void to_waiting(const JobSpec& job, Rank rank);
  void to_running(const JobSpec& job, Rank rank);
  void drop_running(JobId job);

  std::vector<Running> running_;               // in no order
  RankedRunning ranked_;                       // the same jobs by rank; their slots are indices in running_
  std::vector<RankedRunning::Item> in_order_;  // general path: ranked_ as a plain list
  ClassQueues<Rank> waiting_;
  ClassScan<Rank> scan_;
  std::vector<Place> place_;     // [job]
  std::vector<JobId> arrivals_;  // added since the last fill
  Result result_;
  RoomMaker room_;  // general path: of the jobs of in_order_
  bool full_walk_ = true;
  bool plain_only_ = true;  // every demand seen so far is plain
};

}  // namespace orrery
