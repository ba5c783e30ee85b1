// Rule R5 of LINEAGE, bubbles (docs/policies/lineage.md): jobs that wait for GPUs run meanwhile in the bubbles that
// running jobs advertise (JobSpec::bubbles), those with the most FLOPs first. A filler goes on waiting: when its turn
// comes it moves to GPUs of its own, if what is left of it takes less there, with a restart.
//
// What that costs a host is measured, never foretold: a job is filled once it has reported its speed alone, and each
// report beside fillers says by how much it is slower. Above epsilon the share of the windows that its fillers use is
// halved; at or below it grows by an eighth, unless by what was measured that would cost more than epsilon; below a
// sixteenth they leave, and the host rests, is measured alone again, and begins with an eighth.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "policies/transfer/lineage_gains.hpp"
#include "sim/api/bubbles.hpp"
#include "sim/api/plan.hpp"
#include "sim/api/view.hpp"

namespace orrery {

// The next share of its windows, per mille, of a host whose fillers use `rate` and that is `slow_ppm` slower than
// alone; 0: they leave.
[[nodiscard]] std::int32_t next_fill(std::int32_t rate, std::int64_t slow_ppm, std::int64_t epsilon_ppm);

class LineageBubbles {
 public:
  struct Options {
    bool on = false;
    std::int64_t epsilon_ppm = 20'000;  // of a host's speed
    Duration rest = seconds(1800);      // of a host whose fillers have left
  };
  explicit LineageBubbles(const Options& options) : options_(options) {}

  // Every event of the run, in order.
  void follow(const ClusterView& view, const Event& e);
  // What the hosts' reports say: fillers are told to use more or less, or leave.
  void adjust(const ClusterView& view, PlanBuilder& plan);

  // The job fills bubbles under the plan.
  [[nodiscard]] bool fills(JobId job) const { return fillers_.count(job) > 0; }
  // A filler: its host goes on where it is under the plan.
  [[nodiscard]] bool stays(const ClusterView& view, const PlanBuilder& plan, JobId job) const;
  // A filler, whose turn it is: whether `left` takes longer in the bubbles than on its own GPUs after a restart.
  [[nodiscard]] bool moves(JobId job, Duration left, Duration restart) const;
  // The job waits for GPUs; it was planned to hold some of its own, whether it filled bubbles until now or not.
  void waits(const JobSpec& spec);
  void starts(const JobSpec& spec);
  // It is aside, until it waits again.
  void held(const JobSpec& spec);

  // What the rest of the protocol says.
  struct Opinion {
    std::function<bool(JobId)> waits;       // for GPUs, and is not held
    std::function<RunConfig(JobId)> start;  // what it starts from; asked when it is to start
  };
  // Plans who fills, after everybody has been served.
  void fill(const ClusterView& view, PlanBuilder& plan, const Opinion& of);

 private:
  struct Host {
    Rate alone{};  // as it reported it last, in that phase; none: not yet
    std::int32_t phase = 0;
    std::int32_t rate = kWholeFill;
    Time rests_until{};
    std::set<JobId> fillers;
  };
  struct Filler {
    JobId host{};
    Allocation gpus;
    Rate share{};            // of its speed alone, while all windows that fit are used
    std::int32_t told = 0;   // how many of the windows it uses, thousandths
    std::int32_t asked = 0;  // to use
    bool runs = false;
  };
  struct Place {
    Allocation gpus;
    Rate share{};
  };

  void forget(JobId filler);
  void reported(const ClusterView& view, JobId job);
  [[nodiscard]] bool can_be_filled(const ClusterView& view, const PlanBuilder& plan, JobId host) const;
  [[nodiscard]] Place place(const ClusterView& view, JobId job, JobId host) const;
  bool put(const ClusterView& view, PlanBuilder& plan, JobId job, const std::vector<JobId>& hosts, const Opinion& of);

  Options options_;
  std::map<JobId, Host> hosts_;  // that run
  std::map<JobId, Filler> fillers_;
  std::set<std::pair<std::int64_t, JobId>> waiting_;  // that could fill and do not: those with the most FLOPs first
  std::map<JobId, std::int64_t> slow_;                // [host] measured since the last adjust(), millionths
  std::set<JobId> align_;                             // hosts whose fillers are to be told
  bool changed_ = false;                              // since the last fill(): who waits, or where there is room
};

}  // namespace orrery
