// What waits for GPUs, and what a GPU is worth to it: lambda in LINEAGE's rules (docs/policies/lineage.md).
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "sim/core/job.hpp"
#include "sim/core/topology.hpp"

namespace orrery {

class LineageDemand {
 public:
  // The job waits, or does not; either may be so already.
  void add(const JobSpec& spec) { set(spec, true); }
  void remove(const JobSpec& spec) { set(spec, false); }
  // Weight that waits, over all GPUs; 0 while `idle` GPUs are enough for all who wait.
  [[nodiscard]] double price(const Topology& topology, std::int64_t idle) const {
    return gpus_ <= idle ? 0 : per_gpu(topology, weight_);
  }
  // What one job adds to that.
  [[nodiscard]] static double share(const Topology& topology, const JobSpec& spec) {
    return per_gpu(topology, spec.weight);
  }

 private:
  [[nodiscard]] static double per_gpu(const Topology& topology, double weight) {
    return weight / static_cast<double>(std::max<std::int64_t>(topology.total_gpus(), 1));
  }
  void set(const JobSpec& spec, bool waits) {
    if (spec.id.index() >= waits_.size()) waits_.resize(std::max(spec.id.index() + 1, 2 * waits_.size()));
    if (waits_[spec.id.index()] == waits) return;
    waits_[spec.id.index()] = waits;
    weight_ += waits ? spec.weight : -spec.weight;
    gpus_ += waits ? spec.demand.gpus : -spec.demand.gpus;
  }

  std::vector<bool> waits_;  // [job]
  double weight_ = 0;
  std::int64_t gpus_ = 0;
};

}  // namespace orrery
