// What a catalogue says of the jobs of a recorded trace; see catalogue_file.hpp.
#include <fmt/format.h>

#include <algorithm>

#include "scenarios/spec/catalogue_file.hpp"

namespace orrery::app {
namespace {

Expected<void> result(std::vector<Diagnostic> errors) {
  if (errors.empty()) return {};
  return tl::make_unexpected(Error(std::move(errors)));
}

}  // namespace

TrainingDevice training_device(const std::vector<NodeGroup>& groups) {
  TrainingDevice d;
  const auto at = std::find_if(groups.begin(), groups.end(), [](const NodeGroup& g) { return g.gpus_per_node > 0; });
  if (at == groups.end()) return d;
  d.peak_flops = static_cast<double>(at->peak_gflop_per_s) * 1e9;
  d.memory_bytes = static_cast<double>(at->gpu_mem_bytes);
  d.gpus_per_node = at->gpus_per_node;
  d.nvlink_bytes_per_s = static_cast<double>(at->nvlink_bytes_per_s);
  d.nic_bytes_per_s = static_cast<double>(at->nic_bytes_per_s);
  return d;
}

Expected<void> apply_catalogue(const Catalogue& catalogue, SizeName size, const TrainingDevice& device,
                               const std::string& file, Trace& trace) {
  std::vector<Diagnostic> errors;
  for (TraceJob& j : trace.jobs) {
    if (errors.size() == kMostErrors) break;
    const auto wrong = [&](std::string message, std::string hint = {}) {
      Diagnostic d{std::move(message)};
      d.where = {file, j.line, 0};
      d.hint = std::move(hint);
      errors.push_back(std::move(d));
    };
    const CatalogueJob* known = catalogue.find(j.model);
    if (known == nullptr) {
      const std::string_view near = closest(j.model, catalogue.names());
      wrong(fmt::format("job `{}` is of model `{}`, which is not in the catalogue {}", j.job_id, j.model,
                        catalogue.file),
            near.empty() ? "" : fmt::format("did you mean `{}`?", near));
      continue;
    }
    const std::string kind(to_string(known->kind));
    if (j.kind.empty()) j.kind = kind;
    if (j.kind != kind && !(j.kind == "hpo" && known->kind == JobKind::transfer)) {
      wrong(fmt::format("job `{}` is of kind `{}`, but `{}` is of kind `{}` in the catalogue {}", j.job_id, j.kind,
                        j.model, kind, catalogue.file));
      continue;
    }
    if (j.iterations == 0) j.iterations = known->at(size).run.steps;
    if (j.duration.ns > 0) continue;
    if (size == SizeName::cluster && !(device.peak_flops > 0)) {
      wrong(fmt::format("job `{}` has no `duration_s`, and `cluster` says no `peak_tflops` to compute it from",
                        j.job_id));
      continue;
    }
    const SizeCost c = size_cost(*known, size, std::max(1, j.gpus), device);
    const double ns = (c.once_s + c.step_s * static_cast<double>(j.iterations)) * 1e9;
    j.duration = Duration{std::max<std::int64_t>(1, static_cast<std::int64_t>(std::min(ns, 1e18)))};
  }
  return result(std::move(errors));
}

Expected<void> check_parents(const Catalogue& catalogue, const Workload& workload) {
  std::vector<Diagnostic> errors;
  for (const JobSpec& spec : workload.specs) {
    const CatalogueJob* child = catalogue.find(spec.model);
    if (child == nullptr) continue;
    for (const Dependency& d : spec.after) {
      const JobSpec& from = workload.specs[d.parent.index()];
      const auto is = [&](const CatalogueParent& p) { return catalogue.jobs[p.job].name == from.model; };
      if (errors.size() == kMostErrors || std::any_of(child->after.begin(), child->after.end(), is)) continue;
      errors.push_back(
          Diagnostic{fmt::format("job `{}` (`{}`) descends from `{}` (`{}`), which the catalogue {} does "
                                 "not know as a parent",
                                 spec.name, spec.model, from.name, from.model, catalogue.file)});
    }
  }
  return result(std::move(errors));
}

}  // namespace orrery::app
