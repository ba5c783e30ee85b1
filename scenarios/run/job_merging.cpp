#include "scenarios/run/job_merging.hpp"

#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "sim/models/training/training_cost.hpp"

namespace orrery::app {
namespace {

constexpr double kPerMille = 1000;

std::int64_t per_gpu(const orrery::TrainingRun& run, int gpus) {
  const std::int64_t share = std::max<std::int64_t>(1, (run.global_batch + gpus - 1) / gpus);
  return run.micro_batch > 0 ? std::min(run.micro_batch, share) : share;
}

// Of a job of the catalogue on so many GPUs.
Merging merging_of(const CatalogueJob& job, SizeName size, int gpus, const TrainingDevice& device,
                   std::int64_t gamma) {
  const orrery::TrainingRun& run = job.at(size).run;
  // A probe's features are known after their first pass: then it asks nothing of the backbone.
  if (!run.model.transfer || run.model.transfer->method != TransferMethod::lora) return {};
  Merging m;
  m.step_per_mille = static_cast<std::int32_t>(std::max<std::int64_t>(gamma, 0));
  if (gamma < 0 && size == SizeName::cluster && device.peak_flops > 0) {
    const TrainingCost cost = training_cost(run, gpus, device);
    m.step_per_mille = static_cast<std::int32_t>(kPerMille * cost.launch_s / cost.step_s());
  }
  const MemoryBytes bytes = step_memory(run.model, per_gpu(run, gpus), gpus);
  const ParameterCount n = parameter_count(run.model);
  m.backbone_bytes = bytes.parameters / std::max<std::int64_t>(n.total, 1) * (n.total - n.trainable);
  m.own_bytes = bytes.total() - m.backbone_bytes;
  return m;
}

}  // namespace

void set_merging(const Scenario& s, const Catalogue* catalogue, Workload& workload) {
  if (catalogue == nullptr && (s.live || s.merging.gamma_per_mille < 0)) return;
  const SizeName size = s.workload.generate ? s.workload.generate->size : s.live ? SizeName::live : SizeName::cluster;
  const TrainingDevice device = training_device(s.cluster.groups);
  std::map<std::pair<std::string, int>, Merging> known;
  for (JobSpec& spec : workload.specs) {
    if (spec.after.empty() || spec.demand.gpus < 1) continue;
    if (catalogue == nullptr) {
      const bool transfers = spec.kind == JobKind::transfer || spec.kind == JobKind::hpo;
      if (transfers) spec.merging.step_per_mille = static_cast<std::int32_t>(s.merging.gamma_per_mille);
      continue;
    }
    const CatalogueJob* job = catalogue->find(spec.model);
    if (job == nullptr) continue;
    const auto [at, fresh] = known.try_emplace({spec.model, spec.demand.gpus});
    if (fresh) at->second = merging_of(*job, size, spec.demand.gpus, device, s.merging.gamma_per_mille);
    spec.merging = at->second;
  }
}

}  // namespace orrery::app
