// What a run took, as a model: a simulation with these times differs from that run only by what the simulator does
// not know of (one of the three rows of `live validate`).
#pragma once

#include <vector>

#include "sim/models/overheads.hpp"
#include "sim/models/performance.hpp"

namespace orrery {

struct MeasuredTimes {
  std::vector<Rate> rates;  // [job]: work per running time, standing still for checkpoints included
  OverheadModel overheads;  // of each launch, else the mean over the run's
};

// Every job runs at its own measured rate, wherever it runs.
class MeasuredModel final : public PerformanceModel {
 public:
  explicit MeasuredModel(const std::vector<Rate>& rates) : rates_(&rates) {}
  [[nodiscard]] Rate rate(const JobSpec& spec, const Allocation&, const RunConfig&,
                          std::span<const JobId>) const override {
    return (*rates_)[spec.id.index()];
  }

 private:
  const std::vector<Rate>* rates_;
};

}  // namespace orrery
