// Rule R6 of LINEAGE, when to publish (docs/policies/lineage.md): a publication stands the parent still, which costs
// itself and whoever waits; not publishing costs what a failure would undo, and the children that start meanwhile
// start from an older version. With
//
//   K = lambda g + Omega      what a second of the parent is worth: its GPUs at their shadow price, and its weight
//                             with that of all who wait for it
//   M                         mean time between failures of the parent, s; never: infinite
//   delta                     how long a publication stands it still, s
//   nu                        children that start per second
//   s                         what a second of staleness costs one of them, weight
//
// the cost rate delta K / tau + (tau / 2) (K / M + nu s) is least at tau = sqrt(2 delta K / (K / M + nu s)): the
// interval of Young (1974) where nobody descends. It holds for a tau well above delta; it is never less than that, so
// that a parent that is worth little beside its children still spends half its time on its own work.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "policies/transfer/lineage_gains.hpp"
#include "sim/api/plan.hpp"
#include "sim/api/view.hpp"

namespace orrery {

struct LineagePublishing {
  double cost_s = 0;               // delta
  double worth = 1;                // K
  std::optional<double> mtbf_s{};  // M; none: it does not fail
  double starts_per_s = 0;         // nu
  double staleness = 0;            // s
};

// tau, s, at least delta; none where publishing is never worth it.
[[nodiscard]] std::optional<double> publish_interval(const LineagePublishing& p);

// What the rest of the protocol knows.
struct LineagePrices {
  double gpu = 0;                        // lambda: weight that waits, per GPU
  std::function<double(JobId)> waiting;  // weight of all that waits for a job
};

// Commands the publications of running parents. What publishing takes, how often nodes fail and how many children
// start is observed. Edges' thresholds are published anyway; failures count only for jobs that save nothing else.
class LineagePublisher {
 public:
  explicit LineagePublisher(bool on) : on_(on) {}

  // Every event of the run, in order.
  void follow(const ClusterView& view, const Event& e, const LineageGains& gains);
  // Commands what is due. The interval is reckoned again whenever a parent has done a tenth of its work.
  void update(const ClusterView& view, const LineageGains& gains, const LineagePrices& prices, PlanBuilder& plan);
  // When something may be due next.
  [[nodiscard]] Time next() const { return due_.empty() ? kNever : due_.begin()->first; }
  // Of a running parent: when its next publication is due; kNever where none is.
  [[nodiscard]] Time next_of(JobId job) const;

 private:
  struct Parent {
    Time since{};  // when it last published, or began to run
    Time look = kNever;
    Time publishes = kNever;
    Time first_start{};                        // of a child
    std::int32_t children = 0;                 // that are known
    std::int32_t started = 0;                  // of them
    double saved_s = 0, weight = 0, gpus = 0;  // sums over those: what a finished parent saves, ...
    std::int32_t checkpoints = 0;              // those of publications, too
    std::int32_t publications = 0;
    double stood_still_s = 0;  // for its last checkpoint
    bool runs = false;
    [[nodiscard]] bool saves() const { return checkpoints > publications; }  // by itself
  };
  [[nodiscard]] Parent& parent(JobId job);
  void look_at(JobId job, Time at);
  [[nodiscard]] double cost_s() const;  // that a publication takes, as seen
  void begins(const ClusterView& view, JobId child, Time at, const LineageGains& gains);
  [[nodiscard]] std::optional<double> interval(const ClusterView& view, JobId job, const LineageGains& gains,
                                               const LineagePrices& prices) const;

  bool on_;
  std::vector<Parent> parents_;           // [job]
  std::set<std::pair<Time, JobId>> due_;  // running parents, by when to look at them
  double cost_s_ = 0;                     // sum of what publications took
  std::int64_t published_ = 0;
  std::int64_t node_failures_ = 0;
};

}  // namespace orrery
