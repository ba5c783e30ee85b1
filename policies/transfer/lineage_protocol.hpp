// LINEAGE: a scheduling protocol for multimodal pretraining and the jobs that descend from it
// (docs/policies/lineage.md). Each rule is a file of its own and can be switched off; this one puts them together:
// who is served in which order, who may be preempted, when to be asked again.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "policies/parts/strict_priority.hpp"
#include "policies/transfer/lineage_abort.hpp"
#include "policies/transfer/lineage_bubbles.hpp"
#include "policies/transfer/lineage_demand.hpp"
#include "policies/transfer/lineage_elastic.hpp"
#include "policies/transfer/lineage_features.hpp"
#include "policies/transfer/lineage_gains.hpp"
#include "policies/transfer/lineage_groups.hpp"
#include "policies/transfer/lineage_hold.hpp"
#include "policies/transfer/lineage_index.hpp"
#include "policies/transfer/lineage_phases.hpp"
#include "policies/transfer/lineage_promotion.hpp"
#include "policies/transfer/lineage_publish.hpp"
#include "policies/transfer/lineage_young.hpp"
#include "sim/api/policy.hpp"

namespace orrery {

struct LineageOptions {
  bool index = true;           // rule R1; without it a job counts for itself alone
  bool learn = true;           // rule R7; without it claims are believed and the first parent is the source
  bool abort = true;           // likewise, of children that run
  bool hold = true;            // rule R2
  bool publish = true;         // rule R6
  bool phases = false;         // rule R8
  std::int64_t alpha = 500;    // per mille
  std::int64_t beside = 1000;  // per mille
  Duration min_run{};
  std::int64_t rho_max = 5000;                // per mille
  std::shared_ptr<const KnownGains> gains{};  // what is true, for a bound; null: it is learned
  LineageSizes::Options sizes{};              // rule R3
  LineageGroups::Options groups{};            // rule R4, as long as no job is elastic
  LineageBubbles::Options bubbles{};          // rule R5, likewise
};

class Lineage final : public Policy {
 public:
  Lineage(std::unique_ptr<Placement> placement, const LineageOptions& options);

  [[nodiscard]] std::unique_ptr<Policy> clone() const override { return std::make_unique<Lineage>(*this); }
  [[nodiscard]] bool publishes() const override { return options_.publish; }
  [[nodiscard]] EventMask wakes_on() const override {
    return Policy::wakes_on() | mask_of(EventKind::features) | mask_of(EventKind::command_failed) |
           (options_.learn ? kAssess : 0) | (options_.phases || options_.bubbles.on ? kProgress : 0);
  }
  void schedule(const ClusterView& view, PlanBuilder& plan) override;

 private:
  // As long as no job is elastic.
  void serve_in_order(const ClusterView& view, PlanBuilder& plan, const std::vector<JobId>& changed);

  void serve_sized(const ClusterView& view, PlanBuilder& plan);

  void waits(const ClusterView& view, JobId job);
  void starts(const ClusterView& view, JobId job, PlanBuilder& plan);

  [[nodiscard]] Rank rank(const ClusterView& view, JobId job, Duration left) const;
  [[nodiscard]] Rank rank(const ClusterView& view, const StrictPriority::Running& r) const;

  [[nodiscard]] LineagePrices prices(const ClusterView& view, const PlanBuilder& plan) const;
  // Whether the job, whose turn it is, waits for a later version of a parent, or for features.
  [[nodiscard]] bool is_held(const ClusterView& view, JobId job, PlanBuilder& plan);
  [[nodiscard]] bool waits_for_version(const ClusterView& view, JobId job, PlanBuilder& plan);
  [[nodiscard]] bool waits_for_features(const ClusterView& view, JobId job, PlanBuilder& plan);
  // Of those who were admitted, who does not start computes nothing.
  void withdraw_others(const PlanBuilder& plan);
  [[nodiscard]] std::vector<JobId> lapsed(const ClusterView& view, const PlanBuilder& plan);
  void come_back(const ClusterView& view, JobId job);

  [[nodiscard]] Duration remaining(const ClusterView& view, JobId job) const;
  void refresh(const ClusterView& view, JobId job);
  void fill(const ClusterView& view, PlanBuilder& plan, const StrictPriority::Admits& admits);
  // Rule R4: who joins a gang, or goes on in another one; true: GPUs are free that were not.
  bool merge(const ClusterView& view, PlanBuilder& plan, const StrictPriority::Admits& admits);
  // Rule R5, in lineage_fill.cpp: who waits fills bubbles meanwhile; and of one that does, whose turn has come,
  // whether it moves to GPUs of its own.
  void fill_bubbles(const ClusterView& view, PlanBuilder& plan);
  [[nodiscard]] bool leaves_bubbles(const ClusterView& view, PlanBuilder& plan, JobId job);
  void stay_in_bubbles(const ClusterView& view, PlanBuilder& plan);
  // Of one that begins anew: where it is, or later.
  void leave_gang(const ClusterView& view, PlanBuilder& plan, JobId job);
  void follow_gangs(const ClusterView& view);

  // A waiting job whose rank has changed; those that run are ranked anew at every decision.
  void rerank(const ClusterView& view, JobId job);

  // A job that was preempted waits with the rank that it had, unless that was a young one's.
  void begins_to_wait(const ClusterView& view, JobId job);

  void follow(const ClusterView& view, const Event& e);
  void follow_queue(const ClusterView& view, const Event& e);

  // Another order comes by itself only when a job grows up or is promoted, and matters only to those that wait.
  // (One that was preempted just now may be promoted at the next instant.)
  void ask(const ClusterView& view, PlanBuilder& plan) const;

  OwnPlacement placement_;
  LineageOptions options_;
  LineageGains gains_;
  LineageAbort abort_;
  LineageIndex index_;
  LineageSizes sizes_;
  LineageHolder holder_;
  LineageFeatures features_;
  LineagePublisher publisher_;
  LineagePhases phases_;
  LineagePromotion promotion_;
  LineageYoung young_;
  LineageGroups groups_;
  LineageBubbles bubbles_;
  StrictPriority jobs_;
  LineageDemand demand_;
  double price_ = 0;  // of a GPU, before the decision at hand
  // By the decision at hand: who is held, and probes that would compute their features.
  std::vector<JobId> held_, admitted_, placed_;
  std::vector<std::pair<JobId, Target>> moving_;  // fillers that are to have GPUs of their own, and where they are
};

}  // namespace orrery
