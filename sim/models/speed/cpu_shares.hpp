// Who gets a node's CPUs where jobs on it decode more than it can (docs/lineage.md). CPUs that a job has reserved are
// its own. The others are shared by weights, as an operating system does it, a job's weight being its GPUs there:
// nobody gets more than it wants, and what some do not want the others share, the greediest last. So whoever wants
// more than its GPUs' share of the node is cut down to that, and no further: the downgrade of Synergy-TUNE (Mohan et
// al., OSDI'22), as a world that nobody tunes comes to it by itself.
//
// A data-parallel job is as fast as where it gets least. Owned by whoever asks; a change costs what is on its nodes.
#pragma once

#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "sim/core/allocation.hpp"
#include "sim/core/job.hpp"
#include "sim/core/topology.hpp"

namespace orrery {

// The speed of a job that gets a share (billionths) of the CPUs that it wants: linear through what it keeps with half
// of them, 1 - cpu_sensitivity; a thousandth at least. A job without a sensitivity is bound by decoding: half as fast
// with half.
[[nodiscard]] Rate cpu_speed(const JobSpec& spec, std::int64_t share_per_billion);

class CpuShares {
 public:
  // Nodes whose CPUs are not modelled have enough.
  explicit CpuShares(const Topology& topology);

  // The job makes steps there, each GPU's of which keep so many thousandths of a CPU busy. Again: others.
  void enter(const JobSpec& spec, const Allocation& gpus, std::int32_t cpu_milli);
  // It makes none any more; nothing where it did not.
  void leave(JobId job);
  // Whose speed has changed since the last call, in order of jobs, and what it is.
  const std::vector<std::pair<JobId, Rate>>& update();

 private:
  struct Resident {
    JobId job{};
    std::int64_t gpus = 0, wants = 0, reserved = 0;  // thousandths of CPUs, `wants` of both
    std::int64_t share = 0;                          // billionths
  };
  struct Node {
    std::int64_t cpu_milli = 0;
    std::vector<Resident> residents{};  // in order of jobs
    bool dirty = false;
  };
  struct Own {
    const JobSpec* spec = nullptr;
    std::vector<NodeId> nodes{};
    Rate speed = kUnitRate;
  };

  void touch(NodeId node);
  static void share_out(Node& node);
  [[nodiscard]] Rate speed_of(JobId job, const Own& own) const;

  std::vector<Node> nodes_;
  std::map<JobId, Own> jobs_;
  std::vector<NodeId> dirty_;
  std::vector<JobId> asked_;
  std::vector<std::pair<JobId, Rate>> changed_;
};

}  // namespace orrery
