// The part of rule R2 of LINEAGE that is about features (docs/policies/lineage.md): a probe whose features another
// one computes may wait for them instead of computing them, too, by the rule for versions:
//
//   wait  iff  saved (W + lambda g) > W left
//
// with `saved` its pass less the reading, and `left` what the other one has to compute yet. So of a grid of probes
// one computes while others use the GPUs, and with idle GPUs a probe waits only where that makes it finish earlier.
#pragma once

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "policies/transfer/lineage_hold.hpp"

namespace orrery {

class LineageFeatures {
 public:
  explicit LineageFeatures(bool on) : on_(on) {}

  // Every event of the run, in order.
  void follow(const ClusterView& view, const Event& e);
  // The job, which is told to start so, computes what it needs unless it is there.
  void starts(const ClusterView& view, JobId job, const FeatureKey& key);
  // It does not start after all.
  void withdraw(JobId job) { forget(job); }
  // What a job that has nothing yet needs when it starts so.
  [[nodiscard]] static FeatureKey key_of(const ClusterView& view, JobId job, const LineageGains& gains);

  // Whether the job waits, and nothing speaks against it.
  [[nodiscard]] bool stands(JobId job) const { return waiting_.count(job) > 0; }
  // The same, or it is to be asked again.
  [[nodiscard]] bool asked(JobId job) const {
    return stands(job) || std::find(released_.begin(), released_.end(), job) != released_.end();
  }
  // Why the job, which would be started now, waits; none: it starts.
  [[nodiscard]] std::optional<Reason> waits(const ClusterView& view, JobId job, const FeatureKey& key,
                                            const LineageWorth& worth, Duration latest);
  // It is to be asked again.
  void doubt(JobId job);
  [[nodiscard]] bool empty() const { return waiting_.empty(); }
  [[nodiscard]] bool any_released() const { return !released_.empty(); }
  // Those who do not wait any more, since the last call; all of them where GPUs are worth nothing.
  [[nodiscard]] std::vector<JobId> take_released(const ClusterView& view, double gpu_price);

 private:
  [[nodiscard]] bool drop(JobId waits);
  void forget(JobId computes);
  void release(const FeatureKey& key);

  bool on_;
  std::map<FeatureKey, std::set<JobId>> computing_{};  // told to start, and not done with their passes
  std::map<JobId, FeatureKey> computes_{};             // likewise
  std::map<JobId, FeatureKey> waiting_{};
  std::map<FeatureKey, std::set<JobId>> waiting_for_{};
  std::vector<JobId> released_{};
};

}  // namespace orrery
