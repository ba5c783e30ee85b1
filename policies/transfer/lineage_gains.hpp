// Rule R7 of LINEAGE, what a parent is worth (docs/policies/lineage.md): learned from children that have finished,
// or whose first epoch was compared with one from their base checkpoint (`assessed`), for every pair of a kind of
// parent and a target (a child's model and data set). A pair's belief is normal, of the logarithm l = ln(run time
// from the base checkpoint / run time from the finished parent), with all targets of a parent and model as its prior.
// Gains are sparse and may be negative, so a parent that nobody has tried is used; one that was tried and is more
// likely to harm than not is refused.
//
// Claimed run times are noisy and mostly too long. How much they are is learned from jobs that start from nobody.
// A job counts with the work that it did: neither what a failure undid nor sharing its GPUs says anything of a
// parent. Live jobs that train make all their steps from whatever version: of those only first epochs show something.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "sim/api/view.hpp"

namespace orrery {

struct KnownGains;

// Normal, of l at the finished parent.
struct LineageGain {
  double mean = 0;
  double variance = 0;
  std::int32_t seen = 0;  // what children have shown, by finishing and by their first epochs
};

// The derivative of the share of a finished parent's gain that a version gives, by the parent's progress (0 to 1):
// transfer_share() of sim/api/transfer_share.hpp.
[[nodiscard]] double gain_per_progress(std::int32_t per_mille);

class LineageGains {
 public:
  // Not `on`: claims are believed, and everybody starts from what the executor chooses. `told`: what is true, where
  // somebody says so; then nothing is learned (the bound of what learning can be worth).
  explicit LineageGains(bool on, std::shared_ptr<const KnownGains> told = {}) : on_(on), told_(std::move(told)) {}

  // Every event of the run, in order.
  void follow(const ClusterView& view, const Event& e);
  // Jobs whose believed run time has changed by what was seen since the last call; in no order, maybe twice.
  [[nodiscard]] std::vector<JobId> take_changed() { return std::exchange(changed_, {}); }

  // What a job that has no work of its own should start from now: the executor's own choice, that of a default
  // configuration, where nothing speaks against it.
  [[nodiscard]] RunConfig choose(const ClusterView& view, const JobSpec& spec) const;
  // The edge that a start with `config` follows, and the progress of its version; none: from the base checkpoint.
  static constexpr std::size_t kNoEdge = static_cast<std::size_t>(-1);
  struct Start {
    std::size_t edge = kNoEdge;
    std::int32_t per_mille = 0;
    std::uint32_t version = 0;
  };
  [[nodiscard]] static Start start_of(const ClusterView& view, const JobSpec& spec, const RunConfig& config);
  // The job is to drop what it has done, then it did, and starts as it was told last.
  void drops(JobId job) {
    children_[job.index()].drops = true;
    changed_.push_back(job);
  }
  void began_anew(const ClusterView& view, JobId job);
  // The job was told to start so.
  void starts(const ClusterView& view, JobId job, const RunConfig& config);

  // The job's run time in all, as is believed: what is claimed, less what it inherits from what it started from, or
  // would start from now, less what features spare it that it found, or would find now. kForever without a claim.
  [[nodiscard]] Duration whole(const ClusterView& view, const JobView& job) const;
  [[nodiscard]] Duration remaining(const ClusterView& view, const JobView& job) const {
    return left_of(whole(view, job), job);
  }
  [[nodiscard]] static Duration left_of(Duration whole, const JobView& job) {
    if (whole == kForever) return whole;
    if (!job.spec->phases.empty()) return rest_by_phases(*job.spec, whole, job.done);
    return {whole.ns > job.done.ns ? whole.ns - job.done.ns : 1};
  }
  // The same if it started from a version of the parent of an edge, with `per_mille` of that one's work.
  [[nodiscard]] Duration whole_from(const JobView& job, std::size_t edge, std::int32_t per_mille) const;
  // Of the parent of an edge.
  [[nodiscard]] LineageGain of(const JobSpec& spec, std::size_t edge) const;
  // How much longer claims are than run times: mean and variance of the logarithm of their ratio.
  [[nodiscard]] std::pair<double, double> claims() const;

 private:
  struct Sum {
    double sum = 0;
    std::int32_t count = 0;
  };
  struct Pair {
    Sum shown;
    std::uint32_t family = 0;
    std::vector<JobId> waiting{};  // children that have not begun and whose first parent is of this pair
    // By first epochs, each as precise as it was measured: sums of 1 / variance, and of the value times that.
    double precision = 0, weighted = 0;
    std::int32_t assessed = 0;
  };
  struct Child {
    std::vector<std::uint32_t> pairs;  // [edge]
    JobId parent{};                    // what it started from
    std::int32_t per_mille = 0;
    bool began = false;
    bool assessed = false;  // since it began with nothing
    bool drops = false;     // and begins anew: what follows is of the start before
    Start next{};           // that
  };

  static constexpr double kLeastVariance = 0.0004;  // of what one child shows

  // The edge to a parent; their number where there is none.
  [[nodiscard]] static std::size_t edge_to(const JobSpec& spec, JobId parent);
  void enter(const ClusterView& view, const JobSpec& spec);
  void note_features(const ClusterView& view, const Event& e);
  [[nodiscard]] Duration inherits(const ClusterView& view, const JobView& job) const;
  [[nodiscard]] Duration spared(const ClusterView& view, const JobView& job) const;
  [[nodiscard]] Duration took(const JobView& job) const;
  static void begins(const JobSpec& spec, Child& c);
  [[nodiscard]] const Child& child(JobId job) const;
  [[nodiscard]] LineageGain belief(std::uint32_t pair) const;
  [[nodiscard]] LineageGain as_told(const JobSpec& spec, std::size_t edge) const;
  void finished(const ClusterView& view, JobId job);
  void assessed(const ClusterView& view, const Event& e);
  void learn(const ClusterView& view, std::uint32_t pair, double l);
  void changed(const ClusterView& view, Pair& pair, double before, double now);

  std::map<std::array<std::string, 3>, std::uint32_t> pair_ids_;  // kind of parent, model of child, data set
  std::map<std::pair<std::string, std::string>, std::uint32_t> family_ids_;  // the first two
  std::vector<Pair> pairs_;
  std::vector<Sum> families_;
  std::vector<Child> children_;                       // [job]
  std::map<JobId, Duration> spared_;                  // by features that a job found
  std::map<std::uint32_t, std::vector<JobId>> need_;  // [set] jobs that need such features
  Sum claim_;
  double claim_squares_ = 0;
  std::vector<JobId> changed_;
  bool on_;
  std::shared_ptr<const KnownGains> told_;
};

}  // namespace orrery
