#include "sim/models/overheads.hpp"

namespace orrery {

Duration OverheadModel::start_cost(const JobSpec& spec, Incarnation launch_number) const {
  if (launch_number <= 1 || restart == Restart::zero) return launch;
  if (restart == Restart::per_model) {
    const auto it = restart_models.find(spec.model);
    if (it != restart_models.end()) return launch + it->second;
  }
  if (restart == Restart::per_job) return launch + restart_jobs[spec.id.index()];
  return launch + restart_default;
}

}  // namespace orrery
