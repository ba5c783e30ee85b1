// Rule R4 of LINEAGE, what merging is worth (docs/policies/lineage.md): jobs on one frozen backbone that are members
// of one gang share a part of every step, merged_step() in sim/api/predictor.hpp. Merging two sets of them is worth
//
//   lambda g (T_a + T_b - T_ab) - sum of w (finish merged - finish unmerged)
//
// with T how long a set keeps its g GPUs and lambda the price of a GPU. It is not done where a member's step would be
// more than sigma_max times its step alone, or where memory does not fit. What is merged are the pairs of a matching
// of the greatest worth, and pairs of these again, ceil(log2 k_max) times: Muri's rounds (SIGCOMM'22) on another
// weight. Everything here is arithmetic; who can be merged at all is lineage_groups.hpp's.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "policies/parts/strict_priority.hpp"
#include "sim/api/predictor.hpp"
#include "sim/core/topology.hpp"

namespace orrery {

struct MergeMember {
  JobId job{};
  double left_s = 0;   // of its run time alone
  double delay_s = 0;  // before it makes steps in the gang: it moves there
  double weight = 1;
  MergedPart part{};
  Merging memory{};
};

// A gang that runs, or a job that waits.
struct MergeVertex {
  std::vector<MergeMember> members{};
  double wait_s = 0;     // of one that waits: until it would be started by itself
  bool runs = false;     // holds GPUs
  bool may_move = true;  // of one that runs: its members may be stopped, to go on in another gang
};

struct MergeBounds {
  std::size_t k_max = 8;
  double sigma_max = 1.25;
  double gpu_price = 0;        // lambda: weight per GPU
  std::int32_t gpus = 1;       // that each of them asks for
  std::int64_t gpu_bytes = 0;  // memory of one; 0 = not known, everything fits
  double move_s = 0;           // that a member of a gang stands still to go to another one
};

// When each member of a gang ends, in seconds from now; the last end is how long its GPUs are held. Members leave at
// their own end, the others go on faster.
[[nodiscard]] std::vector<double> gang_ends(std::span<const MergeMember> members);

// Of weight x seconds; none where the bounds forbid it, or where nobody of the two runs.
[[nodiscard]] std::optional<double> merge_worth(const MergeVertex& a, const MergeVertex& b,
                                                const MergeBounds& bounds);

struct Grouping {
  std::vector<std::size_t> into{};  // [vertex] the one whose gang it is merged into; itself where it stays what it is
  std::vector<double> saved_s{};    // [vertex] of such a gang: by how much less its jobs hold GPUs in all
};
// Costs, with n vertices, rounds x (n^2 worths + n^4): made for 32.
[[nodiscard]] Grouping merge_groups(std::vector<MergeVertex> vertices, const MergeBounds& bounds);

// GPUs and run time of a job that waits.
struct QueuedJob {
  std::int32_t gpus = 1;
  double run_s = 0;
};
// Seconds until each of a queue starts, were they started in order as GPUs become free: `running` are (seconds until
// it ends, GPUs) of all that run. Where GPUs lie does not count.
[[nodiscard]] std::vector<double> expected_waits(std::int64_t free_gpus,
                                                 std::vector<std::pair<double, std::int32_t>> running,
                                                 std::span<const QueuedJob> queue);
// Of all that run, by their speeds of now.
[[nodiscard]] std::vector<std::pair<double, std::int32_t>> running_ends(const StrictPriority& jobs, Time now);

// Of the GPUs of an allocation the one with the least memory, as far as it is known; else 0.
[[nodiscard]] std::int64_t least_gpu_memory(const Topology& topology, const Allocation& gpus);

}  // namespace orrery
