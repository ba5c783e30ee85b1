// Titan (Gao et al., SoCC'22) without task merging: every period it shares the GPUs out anew so that jobs together
// come closest to what an equal share would give each (docs/policies/elastic.md). The reference solves a binary
// program; over one kind of GPU that is a knapsack with one choice per job, solved exactly here. A class to derive
// from: its simulator starts jobs in a way of its own.
#pragma once

#include <memory>
#include <vector>

#include "policies/parts/knapsack.hpp"
#include "policies/parts/least_starter.hpp"
#include "policies/parts/sizes.hpp"
#include "policies/parts/ticks.hpp"
#include "sim/api/placement.hpp"
#include "sim/api/policy.hpp"

namespace orrery {

class Titan : public Policy {
 public:
  // Sizes considered: 1 to 4 and multiples of 4, or `every_size`.
  Titan(std::unique_ptr<Placement> placement, Duration period, bool every_size)
      : placement_(std::move(placement)), ticks_(period), every_size_(every_size) {}
  [[nodiscard]] std::unique_ptr<Policy> clone() const override { return std::make_unique<Titan>(*this); }
  void schedule(const ClusterView& view, PlanBuilder& plan) override;

 protected:
  struct Job : SizedJob {
    Duration alone{};  // what is left to do, on its least number of GPUs
  };
  // Gives every job its number of GPUs, preempts those whose number changes; the jobs, widest first.
  [[nodiscard]] std::vector<Job>& share_out(const ClusterView& view, PlanBuilder& plan);
  [[nodiscard]] Ticks& ticks() { return ticks_; }
  [[nodiscard]] Placement& placement() { return *placement_; }

 private:
  void collect(const ClusterView& view);
  void offer(const ClusterView& view, const Job& j, std::int32_t fair, std::vector<KnapsackOption>& out) const;

  OwnPlacement placement_;
  Ticks ticks_;
  bool every_size_;
  std::int32_t capacity_ = 0;
  LeastStarter<> starter_;
  std::vector<JobId> ids_;
  std::vector<Job> jobs_;
  std::vector<std::vector<KnapsackOption>> groups_;
};

}  // namespace orrery
