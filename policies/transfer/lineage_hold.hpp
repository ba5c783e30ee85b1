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
#include <utility>
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
// children. An answer stands until something speaks against it, so that many who are held cost nothing meanwhile: an
// event of the parent, a price of GPUs below that at which the wait pays, the time at which the version was expected,
// or another belief (doubt()).
class LineageHolder {
 public:
  explicit LineageHolder(bool on) : on_(on) {}

  // Every event of the run, in order.
  void follow(const ClusterView& view, const Event& e);
  // What is believed of the job has changed.
  void doubt(JobId job);
  // Whether the job is held and nothing speaks against it.
  [[nodiscard]] bool stands(JobId job) const;
  // The same, or it is to be asked again.
  [[nodiscard]] bool asked(JobId job) const { return held_.count(job) > 0; }
  [[nodiscard]] bool empty() const { return held_.empty(); }
  // It waits no longer.
  void starts(JobId job) {
    if (const auto at = held_.find(job); at != held_.end()) forget(at);
  }
  // Those whose answer stood and does not any more: they are to be asked again. `gpu_price` counts them all.
  [[nodiscard]] std::vector<JobId> take_lapsed(Time now, double gpu_price);
  // What a GPU is worth: the weight of all who wait, and of the job asked about, over all GPUs.
  struct Price {
    double all = 0, own = 0;
    [[nodiscard]] double of_others() const { return all > own ? all - own : 0; }
  };
  // Why the job, which would be started now, waits for a version instead; none: it starts. `latest`: the longest
  // that it may wait. `said` is whether that was the answer last time, too.
  struct Answer {
    Reason why{};
    bool said = false;
  };
  [[nodiscard]] std::optional<Answer> holds(const ClusterView& view, JobId job, const LineageKnowledge& k,
                                            const Price& price, Duration latest);

 private:
  [[nodiscard]] std::optional<LineageVersion> best(const ClusterView& view, const JobView& job, std::size_t edge,
                                                   std::int32_t have, const LineageKnowledge& k,
                                                   const LineageWorth& worth, Duration latest);
  struct Held {
    JobId parent{};
    std::int32_t per_mille = 0;
    double price = 0;  // at or below which it is not worth it
    Time expected{};
    bool stands = true;
  };
  void forget(std::map<JobId, Held>::iterator held);
  void lapse(JobId job, Held& held);

  bool on_;
  std::map<JobId, Held> held_;                   // by child
  std::map<JobId, std::set<JobId>> of_parent_;   // its children who are held
  std::set<std::pair<double, JobId>> by_price_;  // of answers that stand
  std::set<std::pair<Time, JobId>> by_time_;     // likewise
  std::vector<JobId> lapsed_;
  std::map<JobId, std::set<std::int32_t>> thresholds_;  // of a parent: what hard edges wait for, per mille
  std::vector<LineageVersion> versions_;
};

}  // namespace orrery
