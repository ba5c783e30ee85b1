// Profiled jobs with other batches than their own: how a batch is split, how long its step takes, which ones fit, and
// what is said of those that do not.
#include <fmt/format.h>

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

std::string ProfiledModel::wrong_batch(const Application& a, const Class& c, const NodeRing& nodes,
                                       const RunConfig& config) {
  if (config.batch < 0 || config.accumulation < 0) return "which is none";
  const std::int64_t at_once = split_of(a, c, nodes.gpus(), config).per_gpu;
  if (at_once >= 1 && at_once <= a.max_local_batch()) return {};
  return fmt::format("which is {} samples at once on each, of 1 to {}", at_once, a.max_local_batch());
}

Refusal ProfiledModel::refusal(const JobSpec& spec, const Allocation& gpus, const RunConfig& config) const {
  const Class& c = class_of(spec.id);
  if (gpus.gpu_count() == 0) return Refusal::impossible;
  bool fits = true;
  for_types(c, gpus, [&](std::size_t type) {
    const Application& a = application(c, type);
    const NodeRing nodes = nodes_of(a, type, gpus);
    fits = fits && wrong_batch(a, c, nodes, config).empty() &&
           (c.clamp || a.step(nodes, split_of(a, c, nodes.gpus(), config)).covered);
  });
  return fits ? Refusal::none : Refusal::out_of_range;
}

std::string ProfiledModel::unknown(const JobSpec& spec, const Shape& shape, const RunConfig& config) const {
  const Class& c = class_of(spec.id);
  std::string why;
  for_types(c, shape, [&](std::size_t type) {
    const Application& a = application(c, type);
    const NodeRing nodes = nodes_of(a, type, shape);
    if (!why.empty() || nodes.gpus() == 0) return;
    const std::string batch = batch_text(config), wrong = batch.empty() ? "" : wrong_batch(a, c, nodes, config);
    const std::string& name = types_[type].name;
    const std::string of_type = name.empty() ? "" : fmt::format(" of type `{}`", name);
    if (!wrong.empty()) {
      why = fmt::format("job `{}` of `{}` was put on {} GPU{}{}{}, {}", spec.name, c.job.application, nodes.gpus(),
                        nodes.gpus() == 1 ? "" : "s", of_type, batch, wrong);
      return;
    }
    const Application::Split split = split_of(a, c, nodes.gpus(), config);
    if (a.step(nodes, split).covered) return;
    const Diagnostic d = a.step_times().missing(nodes, static_cast<double>(split.per_gpu)).items.front();
    why = fmt::format("job `{}` of `{}` was put{}{} where its speed is not known: {}; {}", spec.name,
                      c.job.application, of_type.empty() ? "" : " on GPUs" + of_type, batch, d.message, d.hint);
  });
  return why;
}

}  // namespace orrery
