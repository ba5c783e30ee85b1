#include "sim/world/sim_phases.hpp"

#include <utility>

namespace orrery {

bool SimPhases::enter(SimGang& g) {
  const JobSpec& s = spec(g.job);
  if (!minds(s)) return false;
  g.in_phase = phase_at(s, g.total, g.done);
  g.at_speed = phase_speed(s, g.in_phase, g.gpus.gpu_count());
  if (shares_) shares_->enter(s, g.gpus, decode_cpus(s, g.in_phase));
  return true;
}

std::optional<Work> SimPhases::next(const SimGang& g) const {
  const JobSpec& s = spec(g.job);
  if (g.in_phase + 1 >= static_cast<std::int32_t>(s.phases.size())) return std::nullopt;
  const Work at = phase_begin(s, g.total, g.in_phase + 1);
  return at < g.total ? std::optional(at) : std::nullopt;
}

std::optional<event::Progress> SimPhases::tell(SimGang& g) {
  if (std::exchange(g.said_phase, g.in_phase) == g.in_phase) return std::nullopt;
  return event::Progress{g.done, g.in_phase};
}

}  // namespace orrery
