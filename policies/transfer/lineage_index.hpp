// Rule R1 of LINEAGE, the block index (docs/policies/lineage.md): a job is worth its own weight and that of the jobs
// that wait for it, per service that they take together. A job with an unmet hard edge hangs below the parent that it
// waits for; a parent is cut into segments at the thresholds that are waited for. Of this tree of segments the part
// with the best ratio of weight to service, from the root down, is the root's block (Horn 1972, Sidney 1975). Serving
// blocks by that ratio minimises the weighted sum of completion times on one machine; for gangs it is a heuristic.
// Service is time x GPUs^alpha.
//
// A tree is worked out anew when an event has changed it, at the cost of its size; in between the rank of a running
// job, which moves with its progress, costs the logarithm of that.
#pragma once

#include <cstdint>
#include <vector>

#include "policies/parts/ranked_running.hpp"
#include "policies/transfer/lineage_blocks.hpp"
#include "policies/transfer/lineage_gains.hpp"
#include "sim/api/view.hpp"

namespace orrery {

// Weight that waits for a job to come as far as `per_mille` of its work.
struct LineageWaiter {
  std::int32_t per_mille = 1000;
  double weight = 0;
};

class LineageIndex {
 public:
  // `alpha` from 0 to 1, in thousandths: where nobody waits for anybody 1000 gives the order of srsf, 0 that of srtf.
  // A job without edges, for which nobody waits, counts `beside` thousandths of its weight.
  LineageIndex(std::int64_t alpha_per_mille, std::int64_t beside_per_mille)
      : alpha_(alpha_per_mille), beside_(static_cast<double>(beside_per_mille) / 1000) {}

  // Every event of the run, in order.
  void follow(const ClusterView& view, const Event& e, const LineageGains& gains);
  // Works out the trees that events have changed; what it returns are the jobs at their roots.
  const std::vector<JobId>& update(const ClusterView& view, const LineageGains& gains);
  // Its run time is believed to be another.
  void believed_anew(JobId job) {
    if (job.index() < nodes_.size()) mark_root_of(job);
  }
  // A job that may run waits for a later version of a parent, or no longer does.
  void hold(JobId child, JobId parent, std::int32_t threshold);
  void release(JobId child) { unhang(child); }
  // Weight of all that waits for a job; costs its tree.
  [[nodiscard]] double waiting_weight(const ClusterView& view, JobId job) const;
  // The thresholds that are waited for, in order, each with the weight of who hangs there and of all that waits for
  // them; costs the tree.
  [[nodiscard]] std::vector<LineageWaiter> waiters(const ClusterView& view, JobId job) const;
  // The rank of a job that may run and takes `left` more by itself; smaller comes first.
  [[nodiscard]] Rank rank(const JobSpec& spec, Duration left) const;

 private:
  struct Node {
    std::vector<JobId> children;  // that wait for this job
    JobId above{};                // valid: what this job waits for
    std::size_t place = 0;        // among the children of that
    std::int32_t threshold = 0;   // and how far that must be, per mille
    bool seen = false;            // submitted
    bool stale = false;
    Duration whole{};                  // its whole run time, by its estimate
    std::vector<std::int32_t> cuts;    // ends of its segments in order, per mille: what children wait for, and 1000
    LineageTail tail;                  // of a root: what hangs below its first segment
    std::vector<LineageBlock> blocks;  // while a tree is worked out: of all from here on down, the best last
  };

  [[nodiscard]] Node& node(JobId job);
  void hang(const ClusterView& view, JobId child, const LineageGains& gains);
  void hang_below(JobId child, JobId parent, std::int32_t threshold);
  void unhang(JobId child);
  void release_children(const ClusterView& view, JobId parent, const LineageGains& gains);
  void mark_root_of(JobId job);
  void work_out(const ClusterView& view, JobId root, const LineageGains& gains);
  void cut(Node& n, Duration whole) const;
  void collect(Node& n, const JobSpec& spec, Duration left);
  void take_blocks(Node& n, std::size_t& next, std::int32_t threshold);
  [[nodiscard]] LineageBlock segment(const JobSpec& spec, const Node& n, std::size_t i, Duration left) const;
  [[nodiscard]] LineageBlock alone(const JobSpec& spec, Duration left) const;
  [[nodiscard]] std::int64_t factor(std::int32_t gpus) const;

  std::int64_t alpha_;
  double beside_;
  mutable std::vector<std::int64_t> factors_;  // [GPUs]: GPUs^alpha in 1024ths; 0 = not worked out yet
  std::vector<Node> nodes_;                    // [job]
  std::vector<JobId> stale_, roots_, tree_;
  std::vector<JobId> farthest_first_;  // children of the job at hand, by threshold
};

}  // namespace orrery
