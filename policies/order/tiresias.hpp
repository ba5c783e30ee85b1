// Tiresias (Gu et al., NSDI'19): discretised least attained service. Jobs sink through queues as their attained
// service (executed time, times GPUs for `dlas-gpu`) crosses limits; queues are served in order, each as a list
// that is kept from decision to decision: after every decision its running jobs stand before its waiting ones,
// their order otherwise unchanged. Strict-priority fill, the rest is preempted. With `starvation: N` a job that
// has waited N times as long as it has run (both since its first run or last promotion) returns to the first queue
// with its service forgotten (docs/policies/attained-service.md). A class to derive from, since simulators differ in
// when they look at the limits.
#pragma once

#include <algorithm>
#include <set>
#include <vector>

#include "policies/parts/strict_priority.hpp"
#include "sim/api/options.hpp"
#include "sim/api/placement.hpp"
#include "sim/api/policy.hpp"

namespace orrery {

struct TiresiasOptions {
  bool count_gpus = true;        // dlas-gpu
  std::vector<Duration> limits;  // GPU-time (dlas-gpu) or executed time (dlas), increasing
  std::int64_t starvation = 0;   // 0 = never promote
};

class Tiresias : public Policy {
 public:
  Tiresias(std::unique_ptr<Placement> placement, TiresiasOptions options)
      : placement_(std::move(placement)),
        back_(options.limits.size() + 1, 0),
        front_(back_.size(), 0),
        run_(back_.size(), kRunRegion),
        options_(std::move(options)) {}
  [[nodiscard]] std::unique_ptr<Policy> clone() const override { return std::make_unique<Tiresias>(*this); }
  void schedule(const ClusterView& view, PlanBuilder& plan) override;

 protected:
  // A running job that is on its way to a limit: how far it has come, and where the limit is.
  struct Sinking {
    JobId job{};
    std::int32_t gpus = 0;
    Duration executed{};  // since its first run or last promotion
    Duration limit{};
  };
  // When this policy wants to look at the running jobs again, for their limits alone.
  virtual void wake_for_limits(const ClusterView& view, PlanBuilder& plan);
  [[nodiscard]] std::vector<Sinking> sinking(const ClusterView& view) const;
  [[nodiscard]] const TiresiasOptions& options() const { return options_; }

 private:
  // Positions within a queue: running jobs stand in the first region, waiting ones behind it; a waiting job that
  // was just preempted goes to the front of its region, everything else to the back.
  static constexpr std::int64_t kRunRegion = -(std::int64_t{1} << 62);
  static constexpr std::int64_t kWaitRegion = -(std::int64_t{1} << 61);

  struct Job {
    std::size_t queue = 0;
    std::int64_t position = 0;
    Duration ran_base{};  // `ran`, `attained`, `waited` at the last promotion (or first run)
    GpuTime attained_base{};
    Duration waited_base{};
    Time crosses = kNever;  // its entry in crossings_
    Time starves = kNever;  // its entry in starving_
    bool has_run = false;   // since submission or the last promotion
  };

  Job& job(JobId id) {
    if (id.index() >= jobs_.size()) jobs_.resize(std::max(id.index() + 1, 2 * jobs_.size()));
    return jobs_[id.index()];
  }
  [[nodiscard]] static Rank rank(const Job& j) {
    return (static_cast<Rank>(j.queue) << 64) + j.position - kRunRegion;
  }
  [[nodiscard]] bool sinks(const Job& j) const { return j.queue < options_.limits.size(); }

  void follow(const ClusterView& view, const Event& e);
  [[nodiscard]] Int128 service_left(const Job& j, const JobView& v) const;
  void expect_crossing(Job& j, const JobView& v, Time now);
  void expect_starvation(Job& j, const JobView& v, Time now);
  void forget_times(Job& j, JobId id);
  void demote(Job& j, const JobView& v);
  void promote(Job& j, const JobView& v);
  void settle_lists(const ClusterView& view, const StrictPriority::Result& result);

  OwnPlacement placement_;
  StrictPriority order_;
  std::vector<Job> jobs_;
  std::vector<std::int64_t> back_, front_, run_;  // [queue]: next positions
  std::set<std::pair<Time, JobId>> crossings_;    // running jobs: no earlier than this their limit is reached
  std::set<std::pair<Time, JobId>> starving_;     // waiting jobs: when they are promoted
  std::vector<JobId> demoted_;                    // in this decision
  TiresiasOptions options_;
};

[[nodiscard]] TiresiasOptions read_tiresias_options(OptionReader& options);

}  // namespace orrery
