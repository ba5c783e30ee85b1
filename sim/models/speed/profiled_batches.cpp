// Profiled jobs with other batches than their own: how a batch is split, how long its step takes, which ones fit.
#include <algorithm>

#include "sim/models/speed/profiled_model.hpp"

namespace orrery {

// Of its own batch, unless it was told to take another.
Application::Split ProfiledModel::split_of(const Application& a, const Class& c, int gpus, const RunConfig& config) {
  return a.split(config.batch > 0 ? config.batch : c.batch, gpus, config.accumulation);
}

Duration ProfiledModel::step_time(const JobSpec& spec, const Allocation& gpus, const RunConfig& config) const {
  const Class& c = class_of(spec.id);
  double longest = 0;
  for_types(c, gpus, [&](std::size_t type) {
    const Application& a = application(c, type);
    const NodeRing nodes = nodes_of(a, type, gpus);
    if (nodes.gpus() > 0) longest = std::max(longest, a.step(nodes, split_of(a, c, nodes.gpus(), config)).seconds);
  });
  return Duration{static_cast<std::int64_t>(longest * 1e9 + 0.5)};
}

Refusal ProfiledModel::refusal(const JobSpec& spec, const Allocation& gpus, const RunConfig& config) const {
  const Class& c = class_of(spec.id);
  if (gpus.gpu_count() == 0) return Refusal::impossible;
  bool fits = config.batch >= 0 && config.accumulation >= 0;
  for_types(c, gpus, [&](std::size_t type) {
    if (!fits) return;
    const Application& a = application(c, type);
    const NodeRing nodes = nodes_of(a, type, gpus);
    const Application::Split split = split_of(a, c, nodes.gpus(), config);
    fits = split.per_gpu >= 1 && split.per_gpu <= a.max_local_batch() && (c.clamp || a.step(nodes, split).covered);
  });
  return fits ? Refusal::none : Refusal::out_of_range;
}

}  // namespace orrery
