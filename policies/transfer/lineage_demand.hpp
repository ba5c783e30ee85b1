// What waits for GPUs, and what a GPU is worth to it: lambda in LINEAGE's rules (docs/policies/lineage.md).
#pragma once

#include <algorithm>
#include <cstdint>

#include "sim/core/job.hpp"
#include "sim/core/topology.hpp"

namespace orrery {

class LineageDemand {
 public:
  void add(const JobSpec& spec) {
    weight_ += spec.weight;
    gpus_ += spec.demand.gpus;
  }
  void remove(const JobSpec& spec) {
    weight_ -= spec.weight;
    gpus_ -= spec.demand.gpus;
  }
  // Weight that waits, that of one job left out, over all GPUs; 0 while `idle` GPUs are enough for all who wait.
  [[nodiscard]] double price(const Topology& topology, std::int64_t idle, double left_out = 0) const {
    if (gpus_ <= idle) return 0;
    return std::max(weight_ - left_out, 0.0) / static_cast<double>(std::max<std::int64_t>(topology.total_gpus(), 1));
  }

 private:
  double weight_ = 0;
  std::int64_t gpus_ = 0;
};

}  // namespace orrery
