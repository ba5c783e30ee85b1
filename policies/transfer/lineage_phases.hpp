// Rule R8 of LINEAGE, phases of jobs and where they decode (docs/policies/lineage.md). A job whose steps are not
// alike says when it begins a phase; what is left of it, its sizes and its place in the order follow from the phases
// that are to come, and are reconsidered then. Jobs that decode (video, above all) are spread over nodes, so that
// what all those of a node want does not exceed its CPUs; where that cannot be, nobody is left out, and nodes share
// what they have (sim/models/speed/cpu_shares.hpp). Who wants most is placed first, as Synergy-TUNE does (Mohan et
// al., OSDI'22).
//
// Only new starts are placed so: to move a job that runs would cost a restart. Costs, for each start, the nodes with
// free GPUs; nothing as long as nobody decodes.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <utility>
#include <vector>

#include "sim/api/plan.hpp"
#include "sim/api/view.hpp"

namespace orrery {

// How long the next `work` of a job, of `whole` in all, takes on so many GPUs, by its phases; kForever when nobody
// knows.
[[nodiscard]] Duration time_by_phases(const ClusterView& view, const JobView& job, Work whole, Work work,
                                      std::int32_t gpus);
// The most CPUs per GPU, in thousandths, that a job wants from a phase on.
[[nodiscard]] std::int32_t decodes_at_most(const JobSpec& spec, std::int32_t from_phase);

class LineagePhases {
 public:
  explicit LineagePhases(bool on) : on_(on) {}

  // Every event of the run, in order.
  void follow(const ClusterView& view, const Event& e);
  // Jobs that start by the plan at hand get other GPUs where that leaves more CPUs to those who decode: any, where
  // the placement is `counting`; else jobs on one node go to another one.
  void spread(const ClusterView& view, PlanBuilder& plan, std::span<const JobId> started, bool counting);
  // By the plan at hand it does not run any more.
  void leaves(JobId job);
  // CPUs, in thousandths, that jobs want of a node.
  [[nodiscard]] std::int64_t wanted(NodeId node) const {
    return node.index() < wanted_.size() ? wanted_[node.index()] : 0;
  }

 private:
  struct Mover {
    JobId job{};
    std::int32_t gpus = 0, cpu_milli = 0;
    RunConfig config{};
  };
  struct Room {
    NodeId node{};
    std::int32_t free = 0, taken = 0;
    std::int64_t cpus = 0;  // that nobody wants yet; below 0 where more are wanted than there are
  };

  void note(const JobSpec& spec, const Allocation& gpus, std::int32_t cpu_milli);
  void find_rooms(const PlanBuilder& plan);
  void take_most_cpus(const Mover& m);
  void take_fewest_cpus(const Mover& m);
  [[nodiscard]] bool take_one_node(const Mover& m);
  [[nodiscard]] bool place(const ClusterView& view, PlanBuilder& plan, bool counting);
  [[nodiscard]] Allocation taken(const PlanBuilder& plan) const;

  bool on_;
  bool somebody_decodes_ = false;
  std::vector<std::int64_t> wanted_;                                      // [node]
  std::map<JobId, std::vector<std::pair<NodeId, std::int64_t>>> decode_;  // of those who do: where, and how much
  std::vector<Mover> movers_;
  std::vector<Room> rooms_;
};

}  // namespace orrery
