// A job whose steps are not alike (JobSpec::phases): in which phase it is, how fast it goes there, and how long what
// is left of it takes. A job without phases has one, from its beginning to its end, at the speed of the whole job.
//
// Shares of work over the phases' speeds sum up to 1, so a job's work is still the time that it takes on the
// requested GPUs; but a thousandth of its work takes longer in one phase than in another.
#pragma once

#include <cstdint>

#include "sim/core/job.hpp"
#include "sim/core/units.hpp"

namespace orrery {

// A rate, so many times as fast; rounded down.
[[nodiscard]] constexpr Rate times(Rate rate, Rate factor) {
  if (factor == kUnitRate) return rate;
  return Rate{
      static_cast<std::int64_t>(static_cast<Int128>(rate.per_billion) * factor.per_billion / kUnitRate.per_billion)};
}

// Where the i-th phase of a job with `whole` of work begins, rounded up to a nanosecond; `whole` after the last one.
[[nodiscard]] Work phase_begin(const JobSpec& spec, Work whole, std::int32_t phase);
// The phase that a job with `whole` of work is in when `done` of it is done; the last one at its end.
[[nodiscard]] std::int32_t phase_at(const JobSpec& spec, Work whole, Work done);

// How fast the job goes in a phase on so many GPUs, over what its speed model says of it as a whole there: the
// phase's speed, and s = serial share of a step by Amdahl's law, n GPUs given of N requested: speed N / (s n + (1 -
// s) N).
[[nodiscard]] Rate phase_speed(const JobSpec& spec, std::int32_t phase, std::int32_t gpus);

// How long a job with `whole` of work takes from one amount of work done to another, on so many GPUs, in units of the
// time that its speed model says of the work; 0 GPUs: on the requested ones.
[[nodiscard]] Duration phases_time(const JobSpec& spec, Work whole, Work from, Work to, std::int32_t gpus = 0);
// Its inverse: the work done when that much time has gone by since `from`; at most `whole`.
[[nodiscard]] Work phases_work(const JobSpec& spec, Work whole, Work from, Duration time);

// The run time that is left on the requested GPUs of a job that takes `whole` in all; at least 1 ns.
[[nodiscard]] Duration rest_by_phases(const JobSpec& spec, Duration whole, Work done);
// The part of that run time until `per_mille` of its work is done, from its beginning.
[[nodiscard]] Duration time_until(const JobSpec& spec, Duration whole, std::int32_t per_mille);
// The CPUs, in thousandths per GPU, that decoding wants in a phase; 0 for a job without phases.
[[nodiscard]] inline std::int32_t decode_cpus(const JobSpec& spec, std::int32_t phase) {
  return spec.phases.empty() ? 0 : spec.phases[static_cast<std::size_t>(phase)].cpu_milli;
}

}  // namespace orrery
