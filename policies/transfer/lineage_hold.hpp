// Rule R2 of LINEAGE, hold or start (docs/policies/lineage.md): a child that could start from a version that is there
// may wait for a later one of a parent that runs, when the run time that this saves is worth more than the wait:
//
//   hold for v  iff  saved_v (W + lambda g) > W (t_v - now)
//
// with W the weight of the child and of all that waits for it, g its GPUs, and lambda the shadow price of a GPU: the
// weight of all jobs that wait for GPUs, over all GPUs; 0 while none waits. So with idle GPUs it waits only where
// waiting makes it finish earlier.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <vector>

#include "policies/transfer/lineage_gains.hpp"
#include "policies/transfer/lineage_index.hpp"
#include "policies/transfer/lineage_publish.hpp"
#include "sim/api/plan.hpp"

namespace orrery {

struct LineageVersion {
  Duration wait{};             // from now until it is published, as is believed; above 0
  Duration saved{};            // of the child's run time, against what it would start from now; may be negative
  std::int32_t per_mille = 0;  // of the parent's work
};

struct LineageWorth {
  double weight = 1;      // W: of the child and of what waits for it
  double gpu_weight = 0;  // lambda g: of those who would use its GPUs meanwhile
};

// The version that is worth most to wait for; none: start now. Of equally good ones the earliest. A wait beyond
// `latest` is too long whatever it saves.
[[nodiscard]] std::optional<LineageVersion> worth_waiting_for(std::span<const LineageVersion> versions,
                                                              const LineageWorth& worth, Duration latest);

// Seconds of run time that a version saves per 100 s of waiting for it, for people; rounded down.
[[nodiscard]] std::int64_t saved_per_100s(const LineageVersion& v);

// What the other rules know.
struct LineageKnowledge {
  const LineageGains& gains;
  const LineageIndex& index;
  const LineagePublisher& publisher;
};

// Who is held, and for what. Versions to come are those that hard edges of other children name, what the publisher
// will command, and the parent's end. Others who are held make nobody publish. To ask costs these versions, not all
// children.
class LineageHolder {
 public:
  explicit LineageHolder(bool on) : on_(on) {}

  // Every event of the run, in order. Whether somebody who is held may be answered otherwise now.
  [[nodiscard]] bool follow(const ClusterView& view, const Event& e);
  // Why the job, which would be started now, waits for a version instead; none: it starts. `latest`: the longest
  // that it may wait. `said` is whether that was the answer last time, too.
  struct Answer {
    Reason why{};
    bool said = false;
  };
  [[nodiscard]] std::optional<Answer> holds(const ClusterView& view, JobId job, const LineageKnowledge& k,
                                            double gpu_price, Duration latest);

 private:
  [[nodiscard]] std::optional<LineageVersion> best(const ClusterView& view, const JobView& job, std::size_t edge,
                                                   std::int32_t have, const LineageKnowledge& k,
                                                   const LineageWorth& worth, Duration latest);
  struct Held {
    JobId parent{};
    std::int32_t per_mille = 0;
  };
  void forget(std::map<JobId, Held>::iterator held);

  bool on_;
  std::map<JobId, std::int32_t> parents_;               // with so many children who are held
  std::map<JobId, Held> held_;                          // by child
  std::map<JobId, std::set<std::int32_t>> thresholds_;  // of a parent: what hard edges wait for, per mille
  std::vector<LineageVersion> versions_;
};

}  // namespace orrery
