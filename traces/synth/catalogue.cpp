#include "traces/synth/catalogue.hpp"

#include <algorithm>

namespace orrery {

std::string_view to_string(SizeName size) {
  return size == SizeName::live ? "live" : "cluster";
}

const CatalogueJob* Catalogue::find(std::string_view name) const {
  const auto at = std::find_if(jobs.begin(), jobs.end(), [name](const CatalogueJob& j) { return j.name == name; });
  return at == jobs.end() ? nullptr : &*at;
}

std::vector<std::string_view> Catalogue::names() const {
  std::vector<std::string_view> out;
  for (const CatalogueJob& j : jobs) out.push_back(j.name);
  return out;
}

SizeCost size_cost(const CatalogueJob& job, SizeName size, int gpus, const TrainingDevice& device) {
  const TrainingRun& run = job.at(size).run;
  const auto steps = static_cast<double>(run.steps);
  // Operations do not depend on the device.
  const TrainingCost c = training_cost(run, gpus, size == SizeName::live ? kH200Node : device);
  if (size == SizeName::cluster) return {c.total_s(steps), c.total_flops(steps), c.step_s(), c.once_s};
  const double step_s = to_seconds(job.live.step);
  return {steps * step_s, c.total_flops(steps), step_s, 0};
}

}  // namespace orrery
