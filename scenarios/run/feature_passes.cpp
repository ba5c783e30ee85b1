#include "scenarios/run/feature_passes.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <utility>

#include "scenarios/spec/catalogue_file.hpp"

namespace orrery::app {
namespace {

// The share of a job's run time, on so many GPUs, that computing its features is.
double pass_share(const CatalogueJob& job, SizeName size, std::int32_t gpus, const TrainingDevice& device) {
  if (size == SizeName::cluster && !(device.peak_flops > 0)) return 0;
  const SizeCost cost = size_cost(job, size, std::max(1, gpus), device);
  return cost.seconds > 0 ? cost.once_s / cost.seconds : 0;
}

}  // namespace

FeatureStoreModel feature_store(const Scenario& s) {
  if (!s.features) return {};
  return {true, s.features->limit_bytes, s.features->bytes_per_s, s.features->readers};
}

void share_features(const Scenario& s, const CatalogueFile* catalogue, Workload& workload) {
  if (!s.features || catalogue == nullptr) return;
  const FeatureStoreModel store = feature_store(s);
  const TrainingDevice device = training_device(s.cluster.groups);
  const SizeName size = s.workload.generate ? s.workload.generate->size : s.live ? SizeName::live : SizeName::cluster;
  std::map<std::pair<std::string, std::string>, std::uint32_t> sets;  // [model, data set]
  std::map<std::pair<std::string, std::int32_t>, double> shares;      // [model, GPUs]
  for (std::size_t i = 0; i < workload.specs.size(); ++i) {
    JobSpec& spec = workload.specs[i];
    const CatalogueJob* const job = catalogue->catalogue.find(spec.model);
    if (job == nullptr) continue;
    const std::int64_t bytes = feature_bytes(job->at(size).run);
    if (bytes == 0) continue;
    const auto [share, fresh] = shares.try_emplace({spec.model, spec.demand.gpus});
    if (fresh) share->second = pass_share(*job, size, spec.demand.gpus, device);
    const auto pass = static_cast<double>(workload.truths[i].work.ns) * share->second;
    FeaturePass features{0, Duration{std::llround(pass)}, store_time(store, bytes), bytes};
    // Of live jobs nobody knows before they have run what the pass takes: their workers measure it, and decide.
    const bool measured = size == SizeName::live;
    if (!measured && !worth_storing(store, bytes, features.time)) continue;
    const auto next = static_cast<std::uint32_t>(sets.size() + 1);
    features.set = sets.try_emplace({spec.model, spec.dataset}, next).first->second;
    spec.features = features;
  }
}

}  // namespace orrery::app
