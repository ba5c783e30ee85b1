// Rule R4 of LINEAGE, merged groups (docs/policies/lineage.md): jobs that start from the same version of the same
// parent, leave its backbone as it is, and ask for the same, may be members of one gang. Who waits joins a gang that
// runs, or the members of one gang go on in another, where that is worth more than it costs (lineage_merge.hpp).
// While idle GPUs are enough for all who wait nothing is merged. A job that could ever be merged runs in a gang from
// its start, alone in it, so that others can join without stopping it.
//
// In the queue's order a gang is one job, its leader, with the best rank of its members; the others are its
// companions, which are preempted when it is. They end and fail by themselves.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string_view>
#include <tuple>
#include <vector>

#include "policies/parts/strict_priority.hpp"
#include "policies/transfer/lineage_gains.hpp"
#include "policies/transfer/lineage_merge.hpp"
#include "sim/api/plan.hpp"
#include "sim/api/view.hpp"

namespace orrery {

class LineageGroups {
 public:
  struct Options {
    bool on = true;
    std::int64_t k_max = 8;               // members of a gang
    std::int64_t sigma_per_mille = 1250;  // a member's step over its step alone, at most
  };
  explicit LineageGroups(const Options& options) : options_(options) {}

  // Every event of the run, in order.
  void follow(const ClusterView& view, const Event& e);
  // Leaders of gangs whose members have come or gone since the last call.
  [[nodiscard]] std::vector<JobId> take_changed();
  // The others in the gang of its leader; nobody of a job that leads none.
  [[nodiscard]] std::span<const JobId> companions(JobId leader) const;
  // It is a member, but not the leader.
  [[nodiscard]] bool follows(JobId job) const;

  // A job is started with `config`, on GPUs of its own. Where it could be merged later, that is made to name the
  // version, and a group is returned in which it is to be merged; else neither.
  [[nodiscard]] GroupId begins(const ClusterView& view, const PlanBuilder& plan, JobId job, RunConfig& config);
  // The leader was preempted, and so are its companions, which are returned.
  [[nodiscard]] std::vector<JobId> preempted(JobId leader);

  // A job that runs is told to begin anew, from something else: it leaves its gang, and is planned to go on where it
  // is, outside of it. True: others go on there, so it is planned to be preempted.
  [[nodiscard]] bool drops(PlanBuilder& plan, JobId job);

  // What the rest of the protocol says.
  struct Opinion {
    const LineageGains& gains;
    const StrictPriority& jobs;
    double gpu_price = 0;                // lambda
    std::function<bool(JobId)> admits;   // of a waiting job: it is not held
    std::function<bool(JobId)> settled;  // it runs and is not to be disturbed
  };
  struct Merged {
    JobId job{};
    JobId leader{};
    RunConfig config{};
    bool waited = false;  // else it is stopped to go on in the leader's gang
  };
  // Decides, and plans what it decided: those that are in another gang from now on.
  [[nodiscard]] std::vector<Merged> regroup(const ClusterView& view, PlanBuilder& plan, const Opinion& of);
  // When to be asked again; kNever: nobody could be merged.
  [[nodiscard]] Time next() const { return next_; }

 private:
  struct Gang {
    std::vector<JobId> members;  // the leader first
    Allocation gpus;
    RunConfig config;
  };
  // Who may be in one gang: parent, version, model, demand.
  using Bucket = std::tuple<JobId, std::uint32_t, std::string_view, DemandClass>;
  struct Candidates {
    std::vector<GroupId> gangs;
    std::vector<std::pair<JobId, double>> waiting;  // with the wait that is expected
  };

  [[nodiscard]] bool mergeable(const JobSpec& spec) const;
  [[nodiscard]] RunConfig start_of(const ClusterView& view, const JobView& job, const LineageGains& gains) const;
  void adopt(const ClusterView& view, JobId job);
  void join(GroupId group, JobId job);
  void leave(JobId job);
  [[nodiscard]] std::map<Bucket, Candidates> collect(const ClusterView& view, const PlanBuilder& plan,
                                                     const Opinion& of);
  void decide(const ClusterView& view, PlanBuilder& plan, const Opinion& of, const Candidates& c,
              std::vector<Merged>& merged);
  [[nodiscard]] static MergeMember member_of(const ClusterView& view, JobId job, const Gang& gang, const Opinion& of);
  bool put(PlanBuilder& plan, JobId job, GroupId into, bool waited, std::vector<Merged>& merged);

  Options options_;
  std::uint32_t groups_ = 0;  // so many were made
  std::map<GroupId, Gang> gangs_;
  std::map<JobId, GroupId> members_;
  std::map<JobId, RunConfig> began_;  // what jobs that could be merged started from
  std::vector<GroupId> changed_;
  std::optional<Bucket> after_;  // which the next decision begins, where the last one left some for it
  Time last_{-1};
  Time next_ = kNever;
};

}  // namespace orrery
