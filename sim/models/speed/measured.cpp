#include "sim/models/speed/measured.hpp"
#include "sim/core/small_vector.hpp"

#include <algorithm>

namespace orrery {

MeasuredModel::MeasuredModel(const MeasuredTimes& times, const Topology& topology) : times_(&times) {
  std::size_t slots = 0;
  for (std::uint32_t n = 0; n < topology.node_count(); ++n) {
    first_slot_.push_back(slots);
    slots += static_cast<std::size_t>(topology.node(NodeId(n)).gpus);
  }
}

std::size_t MeasuredModel::own_ranks(const Allocation& gpus) const {
  if (times_->place_of_slot.empty()) return 1;
  SmallVector<std::size_t, 16> places;
  for (const NodeSlice& s : gpus.slices())
    for (GpuMask left = s.gpus; left.any(); left.drop_lowest()) {
      const std::size_t slot = first_slot_[s.node.index()] + static_cast<std::size_t>(left.lowest());
      places.push_back(times_->place_of_slot[slot]);
    }
  std::size_t most = 1;
  for (const std::size_t p : places)
    most = std::max(most, static_cast<std::size_t>(std::count(places.begin(), places.end(), p)));
  return most;
}

Speed MeasuredModel::speed(const JobSpec& spec, const Shape& shape, const RunConfig&,
                           std::span<const JobId> neighbours) const {
  if (times_->crowded.empty()) return {times_->rates[spec.id.index()]};
  const std::vector<Rate>& by_crowd = times_->crowded[spec.id.index()];
  const std::size_t own = shape.where() != nullptr ? own_ranks(*shape.where()) : 1;
  return {by_crowd[std::min(by_crowd.size(), own + neighbours.size()) - 1]};
}

}  // namespace orrery
