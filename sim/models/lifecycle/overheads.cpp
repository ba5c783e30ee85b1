#include "sim/models/lifecycle/overheads.hpp"

namespace orrery {

const OverheadModel::Recorded* OverheadModel::record_of(const JobSpec& spec, Incarnation launch_number) const {
  if (spec.id.index() >= recorded.size()) return nullptr;
  const auto& launches = recorded[spec.id.index()];
  return launch_number >= 1 && launch_number <= launches.size() ? &launches[launch_number - 1] : nullptr;
}

Duration OverheadModel::start_cost(const JobSpec& spec, Incarnation launch_number) const {
  if (const Recorded* r = record_of(spec, launch_number); r != nullptr && r->start) return *r->start;
  if (launch_number <= 1 || restart == Restart::zero) return launch;
  if (restart == Restart::per_model) {
    const auto it = restart_models.find(spec.model);
    if (it != restart_models.end()) return launch + it->second;
  }
  if (restart == Restart::per_job) return launch + restart_jobs[spec.id.index()];
  return launch + restart_default;
}

Duration OverheadModel::stop_cost(const JobSpec& spec, Incarnation launch_number) const {
  const Recorded* r = record_of(spec, launch_number);
  return r != nullptr && r->stop ? *r->stop : stop;
}

}  // namespace orrery
