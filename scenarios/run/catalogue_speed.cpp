#include "scenarios/run/catalogue_speed.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "scenarios/spec/catalogue_file.hpp"

namespace orrery::app {
namespace {

std::int32_t most_gpus_of(const TraceJob& j) {
  return std::max(j.gpus, j.max_gpus.value_or(j.gpus));
}

// Steps per second on every number of GPUs up to `most`.
std::vector<double> rates_of(const CatalogueJob& job, std::int32_t most, const TrainingDevice& device) {
  const auto steps = static_cast<double>(job.cluster.run.steps);
  const auto on = [&](std::int32_t gpus) { return steps / size_cost(job, SizeName::cluster, gpus, device).seconds; };
  std::vector<double> rates;
  double below = on(1);
  for (std::int32_t power = 1; power <= most; power *= 2) {
    const double above = on(2 * power);
    for (std::int32_t g = power; g < 2 * power && g <= most; ++g)
      rates.push_back(below + (above - below) * (g - power) / power);
    below = above;
  }
  return rates;
}

}  // namespace

bool has_elastic_jobs(const Scenario& s, const Catalogue* catalogue, const Trace& trace) {
  if (catalogue == nullptr || s.live || s.emulate != "none") return false;
  return std::any_of(trace.jobs.begin(), trace.jobs.end(), [](const TraceJob& j) {
    return j.min_gpus.value_or(j.gpus) < j.gpus || j.max_gpus.value_or(j.gpus) > j.gpus;
  });
}

Expected<ProfiledSpeed> catalogue_speed(const Scenario& s, const Topology& topology, const Catalogue& catalogue,
                                        const Trace& trace) {
  const TrainingDevice device = training_device(s.cluster.groups);
  if (!(device.peak_flops > 0))
    return fail(
        "how fast elastic jobs of a catalogue are follows from what a GPU can do, and `cluster` says no "
        "`peak_tflops`");
  std::map<std::string, std::int32_t> most;  // [model] GPUs of one of its jobs
  for (const TraceJob& j : trace.jobs) most[j.model] = std::max(most[j.model], most_gpus_of(j));
  ThroughputSet table;
  table.name = "the catalogue " + catalogue.file;
  std::string reference;
  for (const NodeGroup& g : s.cluster.groups) {
    if (g.gpus_per_node == 0) continue;
    if (reference.empty()) reference = g.gpu;
    const auto same = [&g](const AloneRate& r) { return r.gpu == g.gpu; };
    if (std::any_of(table.alone.begin(), table.alone.end(), same)) continue;
    for (const auto& [model, gpus] : most) {
      const CatalogueJob* job = catalogue.find(model);
      if (job == nullptr) continue;
      const std::vector<double> rates = rates_of(*job, std::max(gpus, 1), device);
      for (std::size_t i = 0; i < rates.size(); ++i)
        table.alone.push_back({{model, "", 0, static_cast<int>(i) + 1}, g.gpu, false, rates[i]});
    }
  }
  auto model = ThroughputModel::compile(table, topology, reference);
  if (!model) return tl::make_unexpected(std::move(model.error()));
  for (const TraceJob& j : trace.jobs) {
    const TrainingConfig config{j.model, j.kind, j.batch, std::max(1, j.gpus)};
    if (auto ok = (*model)->add({config, 0}, type_mask(j.gpu_type, topology), false); !ok)
      return tl::make_unexpected(std::move(ok.error()));
  }
  return ProfiledSpeed{std::move(*model), {"elastic jobs: as fast as the catalogue's cost model says"}};
}

}  // namespace orrery::app
