// Fragmentation as FGD defines it (Weng et al., ATC'23): the idle GPU share of a node that a job drawn from the
// workload could not use there, in expectation over the workload's shapes. Pure functions.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace orrery {

// What jobs of one demand ask of one node. A gang of more GPUs than the node has asks for all of them.
struct FragmentShape {
  std::int32_t gpus = 1;
  std::int32_t milli_per_gpu = 1000;
  std::int64_t cpu_milli = 0;
  double share = 1;  // of the workload
};

// F of one node in thousandths of a GPU: for each shape all that is idle where it does not fit, else what is left of
// GPUs with less than it needs. `left_milli`: idle thousandths of each GPU; `cpu_milli`: idle, < 0 = not modelled.
[[nodiscard]] double fragmented_milli(std::span<const std::int32_t> left_milli, std::int64_t cpu_milli,
                                      std::span<const FragmentShape> shapes);

}  // namespace orrery
