#include "scenarios/run/job_bubbles.hpp"

#include <algorithm>

#include "sim/api/bubbles.hpp"
#include "sim/models/training/bubble_windows.hpp"

namespace orrery::app {
namespace {

Bubbles advertised(const BubblesConfig& c) {
  if (!c.towers.empty())
    return tower_bubbles({c.towers, c.ranks, c.gradient_bytes, c.link_bytes_per_s}, c.free_bytes);
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

std::optional<std::string> nothing_fills(const Workload& workload) {
  const auto find = [&](auto has) { return std::find_if(workload.specs.begin(), workload.specs.end(), has); };
  const auto host = find([](const JobSpec& s) { return s.bubbles.any(); });
  const auto filler = find([](const JobSpec& s) { return s.fills.unit.ns > 0; });
  const auto none = workload.specs.end();
  if (host == none) return "no pretraining job asks for whole GPUs, one a stage at least, so none has any";
  if (filler == none) return "no transfer job, search or evaluation asks for whole GPUs, so nobody fills them";
  for (std::int32_t stage = 0; stage < host->bubbles.stages; ++stage)
    if (stage_use(host->bubbles, stage, filler->fills).windows > 0) return std::nullopt;
  return "nobody fits: `unit` is longer than every window, or `needs` is more than `memory`";
}

}  // namespace orrery::app
