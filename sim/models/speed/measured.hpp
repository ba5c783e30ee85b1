// What a run took, as a model: a simulation with these times differs from that run only by what the simulator does
// not know of (one of the three rows of `live validate`).
#pragma once

#include <vector>

#include "sim/core/topology.hpp"
#include "sim/models/lifecycle/overheads.hpp"
#include "sim/models/speed/performance.hpp"

namespace orrery {

struct MeasuredTimes {
  std::vector<Rate> rates;  // [job]: work per running time, standing still for checkpoints included
  OverheadModel overheads;  // of each launch, else the mean over the run's
  // Where ranks share a core or a GPU: [job][n - 1] the rate with n ranks on the most crowded one that the job is on
  // (its own included; the last holds for more). Empty: `rates`, whatever the crowd.
  std::vector<std::vector<Rate>> crowded;
  std::vector<std::size_t> place_of_slot;  // [slot, in the order of the nodes] its core; empty = one of its own
};

// Every job runs at its own measured rate, wherever it runs; or at the one for the crowd that it is in. Of others
// each counts as one rank, however many it has there.
class MeasuredModel final : public PerformanceModel {
 public:
  // Both must outlive the model.
  MeasuredModel(const MeasuredTimes& times, const Topology& topology);
  [[nodiscard]] bool minds_neighbours() const override { return !times_->crowded.empty(); }
  [[nodiscard]] bool knows_sharing() const override { return true; }
  [[nodiscard]] std::span<const std::size_t> places() const override { return times_->place_of_slot; }
  [[nodiscard]] Speed speed(const JobSpec& spec, const Shape& shape, const RunConfig& config,
                            std::span<const JobId> neighbours) const override;

 private:
  [[nodiscard]] std::size_t own_ranks(const Allocation& gpus) const;  // on the place where it has most

  const MeasuredTimes* times_;
  std::vector<std::size_t> first_slot_{};  // [node]
};

}  // namespace orrery
