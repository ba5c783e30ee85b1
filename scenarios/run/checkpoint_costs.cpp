#include "scenarios/run/checkpoint_costs.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "sim/core/node_widths.hpp"
#include "sim/models/lifecycle/checkpoint_cost.hpp"
#include "sim/models/training/multimodal_model.hpp"

namespace orrery::app {
namespace {

struct CheckpointSize {
  double load = 0, save = 0;  // bytes
};

SizeName size_of(const Scenario& s) {
  if (s.workload.generate) return s.workload.generate->size;
  return s.live ? SizeName::live : SizeName::cluster;
}

// What sizes and nodes of checkpoints follow from.
struct SizeSource {
  const Scenario& scenario;
  const Topology& topology;
  const CatalogueFile* catalogue;  // null: there is none
  const Workload& workload;
};

std::optional<CheckpointSize> find_size(const SizeSource& from, const CheckpointTransfer& t,
                                        const std::string& model) {
  const auto both = [](std::int64_t bytes) {
    return CheckpointSize{static_cast<double>(bytes), static_cast<double>(bytes)};
  };
  if (const auto given = t.bytes.find(model); given != t.bytes.end()) return both(given->second);
  const CatalogueJob* known = from.catalogue != nullptr ? from.catalogue->catalogue.find(model) : nullptr;
  if (known != nullptr) {
    const ParameterCount n = parameter_count(known->at(size_of(from.scenario)).run.model);
    const auto all = static_cast<double>(n.total), trained = static_cast<double>(n.trainable);
    if (known->kind == JobKind::eval) return CheckpointSize{checkpoint_bytes(all, 0, true), 0};
    return CheckpointSize{checkpoint_bytes(all, trained, false), checkpoint_bytes(trained, trained, false)};
  }
  if (t.default_bytes > 0) return both(t.default_bytes);
  return std::nullopt;
}

Duration to_duration(double seconds) {
  return Duration{std::llround(std::min(seconds, 1e9) * 1e9)};
}

// How many nodes the requested GPUs fill: the fewest that hold them, of the nodes that may.
int nodes_of(const Demand& d, const Topology& topology) {
  if (d.gpus < 2) return 1;
  const NodeWidths widths(d, topology);
  return widths.all().empty() ? 1 : std::max(1, widths.nodes_for(d.gpus, widths.all().front()));
}

// Calls take(job, size, nodes) for every job; `key` is what of the scenario asks, for messages.
template <class Take>
Expected<void> for_jobs(const SizeSource& from, const CheckpointTransfer& t, std::string_view key, Take take) {
  std::map<std::string, std::optional<CheckpointSize>> sizes;
  std::vector<Diagnostic> errors;
  for (const JobSpec& spec : from.workload.specs) {
    const auto [at, fresh] = sizes.try_emplace(spec.model);
    if (fresh) at->second = find_size(from, t, spec.model);
    if (at->second) {
      take(spec, *at->second, nodes_of(spec.demand, from.topology));
    } else if (fresh && errors.size() < kMostErrors) {
      Diagnostic d{
          fmt::format("job `{}` is of model `{}`: nobody knows how large its checkpoint is", spec.name, spec.model)};
      d.hint = fmt::format("give `{}.bytes: {{ {}: 5GB }}`, a `default` there, or a `workload.catalogue` that has it",
                           key, spec.model.empty() ? "default" : spec.model);
      errors.push_back(std::move(d));
    }
  }
  if (!errors.empty()) return tl::make_unexpected(Error(std::move(errors)));
  return {};
}

StorageCost storage_of(const CheckpointTransfer& t) {
  StorageCost s;
  s.storage_bytes_per_s = static_cast<double>(t.storage);
  s.node_bytes_per_s = static_cast<double>(t.bandwidth);
  return s;
}

}  // namespace

Expected<CheckpointCosts> checkpoint_costs(const Scenario& s, const Topology& topology,
                                           const CatalogueFile* catalogue, const Workload& workload) {
  const SizeSource from{s, topology, catalogue, workload};
  CheckpointCosts costs;
  const OverheadConfig& o = s.overheads;
  if (o.restart == "checkpoint") {
    const RestartCost beside{0, to_seconds(o.restart_load.start), 0, to_seconds(o.restart_load.per_rank), 0, 0};
    const StorageCost storage = storage_of(o.restart_load);
    const auto take = [&](const JobSpec& spec, CheckpointSize size, int nodes) {
      costs.restart.push_back(to_duration(restart_s(beside, spec.demand.gpus, size.load, nodes, storage, false)));
    };
    if (auto ok = for_jobs(from, o.restart_load, "overheads.restart", take); !ok)
      return tl::make_unexpected(std::move(ok.error()));
  }
  if (!s.checkpoints.save) return costs;
  const StorageCost storage = storage_of(*s.checkpoints.save);
  const auto take = [&](const JobSpec&, CheckpointSize size, int nodes) {
    costs.save.push_back(to_duration(save_cost(size.save, nodes, storage, false).stall_s));
  };
  if (auto ok = for_jobs(from, *s.checkpoints.save, "checkpoints.cost", take); !ok)
    return tl::make_unexpected(std::move(ok.error()));
  return costs;
}

}  // namespace orrery::app
