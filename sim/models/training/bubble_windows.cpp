#include "sim/models/training/bubble_windows.hpp"

#include <algorithm>
#include <map>
#include <numeric>
#include <utility>
#include <vector>

#include "sim/models/training/training_step.hpp"

namespace orrery {
namespace {

// How long a resource idles before, between and after what it does, longest first, with how often.
std::map<Duration, std::int32_t, std::greater<>> gaps_of(const StepGraph& graph, const StepGraph::Timeline& timeline,
                                                         std::uint32_t resource) {
  std::vector<std::pair<Time, Time>> spans;
  for (StepGraph::Op op = 0; op < graph.size(); ++op)
    if (graph.at(op).resource == resource) spans.emplace_back(timeline.spans[op].start, timeline.spans[op].end);
  std::sort(spans.begin(), spans.end());
  std::map<Duration, std::int32_t, std::greater<>> gaps;
  Time idle_since{};
  for (const auto& [start, end] : spans) {
    if (start > idle_since) ++gaps[start - idle_since];
    idle_since = std::max(idle_since, end);
  }
  const Time over = Time{} + timeline.total;
  if (over > idle_since) ++gaps[over - idle_since];
  return gaps;
}

}  // namespace

Bubbles bubbles_of(const StepGraph& graph, std::span<const std::uint32_t> devices, Duration least,
                   std::span<const std::int64_t> free_bytes) {
  const StepGraph::Timeline timeline = graph.run();
  Bubbles bubbles;
  bubbles.step = timeline.total;
  bubbles.stages = static_cast<std::int32_t>(devices.size());
  for (std::size_t stage = 0; stage < devices.size(); ++stage)
    for (const auto& [length, times] : gaps_of(graph, timeline, devices[stage])) {
      if (length < least) continue;
      const std::int64_t bytes = stage < free_bytes.size() ? free_bytes[stage] : 0;
      bubbles.windows.push_back({static_cast<std::int32_t>(stage), times, length, bytes});
    }
  return bubbles;
}

Bubbles pipeline_bubbles(int stages, int micro_batches, Duration step, std::int64_t free_bytes) {
  const Duration forward{std::max<std::int64_t>(1, step.ns / (3 * (std::int64_t{micro_batches} + stages - 1)))};
  PipelineSpec spec;
  spec.devices.assign(static_cast<std::size_t>(stages), {forward, Duration{2 * forward.ns}, {}});
  spec.micro_batches = micro_batches;
  std::vector<std::uint32_t> devices(static_cast<std::size_t>(stages));
  std::iota(devices.begin(), devices.end(), 0U);
  const std::vector<std::int64_t> bytes(devices.size(), free_bytes);
  Bubbles bubbles = bubbles_of(pipeline_step(spec), devices, Duration{1}, bytes);
  bubbles.step = step;
  return bubbles;
}

Bubbles tower_bubbles(const TowerSpec& spec, std::int64_t free_bytes) {
  TrainingStepSpec step;
  const auto slowest = std::max_element(spec.towers.begin(), spec.towers.end());
  step.fusion.device = static_cast<std::uint32_t>(slowest - spec.towers.begin());
  std::vector<std::uint32_t> devices;
  for (const Duration takes : spec.towers) {
    PartCost tower;
    tower.forward = {takes.ns / 3};
    tower.backward = takes - tower.forward;
    if (spec.gradient_bytes > 0) tower.bucket_bytes = {spec.gradient_bytes};
    tower.device = static_cast<std::uint32_t>(devices.size());
    devices.push_back(tower.device);
    step.towers.push_back(std::move(tower));
  }
  step.ranks = spec.ranks;
  if (spec.link_bytes_per_s > 0) step.link_bytes_per_s = spec.link_bytes_per_s;
  step.overlap = false;
  const std::vector<std::int64_t> bytes(devices.size(), free_bytes);
  return bubbles_of(training_step(step), devices, Duration{1}, bytes);
}

}  // namespace orrery
