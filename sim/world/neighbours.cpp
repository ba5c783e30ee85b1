#include "sim/world/neighbours.hpp"

#include <algorithm>
#include <numeric>

namespace orrery {

Neighbours::Neighbours(const Topology& topology, std::size_t jobs, std::span<const std::size_t> places)
    : place_of_(places.begin(), places.end()), held_(jobs) {
  std::size_t gpus = 0;
  for (std::uint32_t n = 0; n < topology.node_count(); ++n) {
    first_gpu_.push_back(gpus);
    gpus += static_cast<std::size_t>(topology.node(NodeId(n)).gpus);
  }
  if (place_of_.empty()) {
    place_of_.resize(gpus);
    std::iota(place_of_.begin(), place_of_.end(), std::size_t{0});
  }
  on_place_.resize(place_of_.empty() ? 0 : *std::max_element(place_of_.begin(), place_of_.end()) + 1);
}

template <class Do>
void Neighbours::for_gpus(const Allocation& gpus, Do act) {
  for (const NodeSlice& s : gpus.slices())
    for (GpuMask left = s.gpus; left.any(); left.drop_lowest())
      act(on_place_[place_of_[first_gpu_[s.node.index()] + static_cast<std::size_t>(left.lowest())]]);
}

void Neighbours::start(JobId job, const Allocation& gpus) {
  stop(job);
  held_[job.index()] = gpus;
  for_gpus(gpus, [&](auto& there) {
    dirty_.insert(dirty_.end(), there.begin(), there.end());
    there.push_back(job);
  });
  dirty_.push_back(job);
}

void Neighbours::stop(JobId job) {
  if (held_[job.index()].empty()) return;
  for_gpus(held_[job.index()], [&](auto& there) {
    there.erase(std::find(there.begin(), there.end(), job));
    dirty_.insert(dirty_.end(), there.begin(), there.end());
  });
  held_[job.index()].clear();
}

std::span<const JobId> Neighbours::with(JobId job) {
  with_.clear();
  for_gpus(held_[job.index()], [&](const auto& there) {
    for (const JobId other : there)
      if (other != job) with_.push_back(other);
  });
  std::sort(with_.begin(), with_.end());
  with_.erase(std::unique(with_.begin(), with_.end()), with_.end());
  return with_;
}

std::int64_t Neighbours::most_on_one(JobId job) {
  std::size_t most = 1;
  for_gpus(held_[job.index()], [&](const auto& there) { most = std::max(most, there.size()); });
  return static_cast<std::int64_t>(most);
}

std::span<const JobId> Neighbours::changed() {
  changed_.swap(dirty_);
  dirty_.clear();
  std::erase_if(changed_, [this](JobId job) { return held_[job.index()].empty(); });
  std::sort(changed_.begin(), changed_.end());
  changed_.erase(std::unique(changed_.begin(), changed_.end()), changed_.end());
  return changed_;
}

}  // namespace orrery
