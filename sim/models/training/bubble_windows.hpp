// The windows in which the devices of a training step idle, taken from its simulated timeline (step_graph.hpp): a
// pipeline's warm-up, drain and steady gaps, towers that wait for the slowest, ranks that wait for an all-reduce.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "sim/core/job.hpp"
#include "sim/models/training/pipeline.hpp"
#include "sim/models/training/step_graph.hpp"

namespace orrery {

// One stage for each of `devices`, which are resources of the graph. Gaps below `least` are nobody's. Each stage has
// as much memory left as `free_bytes` says, in order of `devices`; 0 or nothing = not known. Windows of one length
// are counted together, the longest first.
[[nodiscard]] Bubbles bubbles_of(const StepGraph& graph, std::span<const std::uint32_t> devices, Duration least,
                                 std::span<const std::int64_t> free_bytes = {});

// Of a 1F1B pipeline with equal stages, whose step takes `step`, backward passes twice as long as forward ones and
// sends for nothing: f = step / (3 (m + p - 1)), rounded down.
[[nodiscard]] Bubbles pipeline_bubbles(int stages, int micro_batches, Duration step, std::int64_t free_bytes);

// Of a job with a stage for each tower, which computes so long in a step, a third of it forward: all backward passes
// wait for the slowest forward pass, and all towers for the ring all-reduce over `ranks` copies of the gradients of
// each, after the backward passes. Its step takes what that takes.
struct TowerSpec {
  std::vector<Duration> towers{};
  int ranks = 1;
  std::int64_t gradient_bytes = 0;    // of each tower
  std::int64_t link_bytes_per_s = 0;  // of each rank, each direction; > 0 where there are several
};
[[nodiscard]] Bubbles tower_bubbles(const TowerSpec& spec, std::int64_t free_bytes);

}  // namespace orrery
