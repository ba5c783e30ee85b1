// How fast a job runs where it was put. A model is a pure function of (spec, allocation, config); executors use
// one as the truth, policies may be given another as their belief (Predictor).
#pragma once

#include "sim/core/view.hpp"

namespace orrery {

class PerformanceModel : public Predictor {};

// Linear in GPUs, blind to placement: rate 1 on the requested allocation (a job of 4 GPUs given 2 runs at half
// speed). The model of every trace replay simulator for rigid jobs.
class IdealModel final : public PerformanceModel {
 public:
  [[nodiscard]] Rate rate(const JobSpec& spec, const Allocation& gpus, const RunConfig& config,
                          std::span<const JobId> with) const override;
};

}  // namespace orrery
