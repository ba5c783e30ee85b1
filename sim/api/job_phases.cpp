#include "sim/api/job_phases.hpp"

#include <algorithm>

namespace orrery {
namespace {

constexpr std::int64_t kThousand = 1000;

std::int32_t count(const JobSpec& spec) {
  return static_cast<std::int32_t>(spec.phases.size());
}

}  // namespace

Work phase_begin(const JobSpec& spec, Work whole, std::int32_t phase) {
  if (phase >= count(spec)) return whole;
  const Int128 share = spec.phases[static_cast<std::size_t>(phase)].from_per_mille;
  return Work{static_cast<std::int64_t>((share * whole.ns + kThousand - 1) / kThousand)};
}

std::int32_t phase_at(const JobSpec& spec, Work whole, Work done) {
  std::int32_t phase = 0;
  while (phase + 1 < count(spec) && phase_begin(spec, whole, phase + 1) <= done) ++phase;
  return phase;
}

Rate phase_speed(const JobSpec& spec, std::int32_t phase, std::int32_t gpus) {
  if (spec.phases.empty()) return kUnitRate;
  const JobPhase& p = spec.phases[static_cast<std::size_t>(std::clamp(phase, 0, count(spec) - 1))];
  const std::int64_t requested = spec.demand.gpus;
  if (p.serial_per_mille == 0 || gpus == requested || gpus <= 0) return p.speed;
  const Int128 serial = p.serial_per_mille;
  const Int128 step = serial * gpus + (kThousand - serial) * requested;
  return Rate{static_cast<std::int64_t>(static_cast<Int128>(p.speed.per_billion) * requested * kThousand / step)};
}

Duration phases_time(const JobSpec& spec, Work whole, Work from, Work to, std::int32_t gpus) {
  if (spec.phases.empty()) return Duration{std::max<std::int64_t>(to.ns - from.ns, 0)};
  Int128 sum = 0;
  for (std::int32_t i = 0; i < count(spec); ++i) {
    const Work begin = std::max(phase_begin(spec, whole, i), from);
    const Work end = i + 1 == count(spec) ? to : std::min(phase_begin(spec, whole, i + 1), to);
    if (end > begin) sum += time_for(end - begin, phase_speed(spec, i, gpus)).ns;
  }
  return sum >= kForever.ns ? kForever : Duration{static_cast<std::int64_t>(sum)};
}

Work phases_work(const JobSpec& spec, Work whole, Work from, Duration time) {
  Work done = from;
  for (std::int32_t i = phase_at(spec, whole, from); done < whole && time.ns > 0; ++i) {
    const Work end = i + 1 < count(spec) ? phase_begin(spec, whole, i + 1) : whole;
    const Duration takes = time_for(end - done, phase_speed(spec, i, 0));
    if (takes > time) return done + work_in(time, phase_speed(spec, i, 0));
    time -= takes;
    done = end;
  }
  return std::min(done, whole);
}

Duration rest_by_phases(const JobSpec& spec, Duration whole, Work done) {
  const Duration rest = phases_time(spec, Work{whole.ns}, done, Work{whole.ns});
  return std::max(rest, Duration{1});
}

Duration time_until(const JobSpec& spec, Duration whole, std::int32_t per_mille) {
  const Work at{static_cast<std::int64_t>(static_cast<Int128>(whole.ns) * per_mille / kThousand)};
  return spec.phases.empty() ? Duration{at.ns} : phases_time(spec, Work{whole.ns}, Work{}, at);
}

}  // namespace orrery
