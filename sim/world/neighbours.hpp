// Which jobs make steps on the same GPUs (or on what stands behind them), kept up to date as they start and stop.
// Work per change grows with the GPUs of the job and with who is on them, not with the cluster.
#pragma once

#include <span>
#include <vector>

#include "sim/core/allocation.hpp"
#include "sim/core/small_vector.hpp"
#include "sim/core/topology.hpp"

namespace orrery {

class Neighbours {
 public:
  // `places`: see PerformanceModel::places().
  Neighbours(const Topology& topology, std::size_t jobs, std::span<const std::size_t> places = {});

  // A job begins, or ceases, to make steps on these GPUs. Stopping one that is not there does nothing.
  void start(JobId job, const Allocation& gpus);
  void stop(JobId job);
  // Everybody else on any of its places, ascending; valid until the next call.
  [[nodiscard]] std::span<const JobId> with(JobId job);
  // How many jobs, itself included, are on the most crowded of its places.
  [[nodiscard]] std::int64_t most_on_one(JobId job);
  // The jobs that run and whose neighbours have changed since the last call, ascending; each that has started is one.
  [[nodiscard]] std::span<const JobId> changed();

 private:
  template <class Do>
  void for_gpus(const Allocation& gpus, Do act);

  std::vector<std::size_t> first_gpu_;           // [node]
  std::vector<std::size_t> place_of_;            // [GPU]
  std::vector<SmallVector<JobId, 2>> on_place_;  // [place]; a gang is there once per rank
  std::vector<Allocation> held_;                 // [job]; empty = makes no steps
  std::vector<JobId> dirty_, changed_, with_;
};

}  // namespace orrery
