// Rule R3 of LINEAGE, how many GPUs (docs/policies/lineage.md): every job gets its least number, in order of the
// index; then one GPU after another goes to where it saves most: the share of the time to a job's end that one more
// saves, times its weight, and the same to every threshold that others wait for, times theirs. Shares, and not
// seconds, since those are most in the longest jobs, which everybody else would then wait for (AFS, Hwang et al.,
// NSDI'21, says why the shorter of two jobs comes first). With seconds and equal weights it is the rule of Optimus
// (Peng et al., EuroSys'18). A job that runs changes its number only when that saves several times what a restart
// costs, and not soon after the last time.
//
// For workloads with elastic jobs: as long as there are none, the order alone decides.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "policies/parts/least_starter.hpp"
#include "policies/parts/ranked_running.hpp"
#include "policies/parts/sizes.hpp"
#include "policies/transfer/lineage_index.hpp"
#include "sim/api/plan.hpp"
#include "sim/api/view.hpp"

namespace orrery {

// What the rest of the protocol says of a job.
struct LineageOpinion {
  std::function<Rank(JobId)> rank;
  std::function<bool(JobId)> admits;   // of a waiting job whose turn it is
  std::function<bool(JobId)> first;    // before all others, those that are not to be disturbed, too
  std::function<bool(JobId)> settled;  // it runs and is not to be disturbed
  std::function<Duration(JobId)> whole;
  std::function<std::vector<LineageWaiter>(JobId)> waiters;
};

class LineageSizes {
 public:
  struct Result {
    std::vector<JobId> started;
    std::vector<JobId> resized;    // stopped and started again
    std::vector<JobId> preempted;  // and not started again
  };

  struct Options {
    bool on = true;
    bool seconds = false;  // saved seconds count, not shares
    Duration every{};      // how often numbers are reconsidered
    Duration rest{};       // for how long a job keeps another number than it had
  };
  explicit LineageSizes(const Options& options) : options_(options) {}

  // Every event of the run, in order.
  void follow(const ClusterView& view, const Event& e);
  [[nodiscard]] bool active() const { return active_; }
  const Result& decide(const ClusterView& view, PlanBuilder& plan, Placement& placement, const LineageOpinion& of);
  // Something other than an event has changed what is said of a job.
  void reconsider() { changed_ = true; }
  // When to be asked again; kNever: nobody wants GPUs.
  [[nodiscard]] Time next(const ClusterView& view) const;

 private:
  struct Job : SizedJob {
    Rank rank{};
    enum class Turn : std::uint8_t { first, fixed, ranked } turn = Turn::ranked;
    double weight = 1;
    std::vector<LineageWaiter> waiters{};
  };
  struct Known {
    Time resized{-1};
    Time launched{-1};
  };

  [[nodiscard]] Known& known(JobId job);
  void collect(const ClusterView& view, const LineageOpinion& of);
  void give(const ClusterView& view, std::int64_t left, const LineageOpinion& of);
  [[nodiscard]] static std::optional<Work> left(const ClusterView& view, const JobView& v, const LineageOpinion& of);
  [[nodiscard]] double gain(const ClusterView& view, const Job& j, const LineageOpinion& of) const;
  [[nodiscard]] bool pays(const ClusterView& view, const Job& j, const LineageOpinion& of) const;
  void apply(const ClusterView& view, PlanBuilder& plan, Placement& placement, const LineageOpinion& of);
  void start_waiting(const ClusterView& view, PlanBuilder& plan, Placement& placement, const LineageOpinion& of);

  Options options_;
  bool active_ = false;
  bool began_ = false;
  Time last_{-1};
  bool changed_ = true;  // since sizes were last decided
  double restart_s_ = 0;
  std::int64_t restarts_ = 0;
  std::vector<Known> known_;  // [job]
  std::vector<JobId> ids_;
  std::vector<Job> jobs_;
  LeastStarter<Rank> starter_;
  Result result_;
};

}  // namespace orrery
