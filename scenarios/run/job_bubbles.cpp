#include "scenarios/run/job_bubbles.hpp"

#include "sim/models/training/bubble_windows.hpp"

namespace orrery::app {
namespace {

Bubbles advertised(const BubblesConfig& c) {
  if (c.micro_batches > 0) return pipeline_bubbles(c.stages, c.micro_batches, c.step, c.free_bytes);
  Bubbles b{c.step, c.stages, {}};
  const Duration length{c.step.ns / 1000 * c.share_per_mille};
  for (std::int32_t stage = 0; stage < c.stages; ++stage) b.windows.push_back({stage, 1, length, c.free_bytes});
  return b;
}

}  // namespace

void set_bubbles(const Scenario& s, Workload& workload) {
  if (!s.bubbles) return;
  const Bubbles bubbles = advertised(*s.bubbles);
  for (JobSpec& spec : workload.specs) {
    const bool whole = spec.demand.gpus > 0 && spec.demand.milli_per_gpu == kMilliPerGpu;
    if (spec.kind == JobKind::pretrain && whole && spec.demand.gpus >= bubbles.stages) spec.bubbles = bubbles;
    const bool fills = spec.kind == JobKind::transfer || spec.kind == JobKind::hpo || spec.kind == JobKind::eval;
    if (fills && whole) spec.fills = {s.bubbles->unit, s.bubbles->need_bytes};
  }
}

}  // namespace orrery::app
