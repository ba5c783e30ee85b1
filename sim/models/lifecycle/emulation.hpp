// Constants of reference simulators, used only by `emulate:` runs (golden tests); the default path never comes
// here. What they are is in docs/policies/emulations.md.
#pragma once

#include <cstdint>
#include <string_view>

#include "sim/core/time.hpp"
#include "sim/core/units.hpp"

namespace orrery {

// Muri (Rivendile/Muri): seconds that its simulator takes from a running job at every event, by model and GPUs.
[[nodiscard]] Duration muri_pause(std::string_view model, std::int32_t gpus);
// The work of a job as that simulator counts it: iterations x iteration time x 1.015.
[[nodiscard]] Work muri_work(std::int64_t iterations, Duration iteration_time);
// Whether that simulator takes two ends of jobs for one event (then at the earlier instant): within a relative 1e-9,
// which is 8 ms after three months. Its Tiresias compares exactly.
[[nodiscard]] bool muri_same_end(Time earlier, Time later);

// Fixed-step simulators (Pollux): stretches end on whole multiples of `unit`; one that would end after a step of
// `interval` ends after it, though it be rounded down to it. 0 = exact.
struct StepRounding {
  Duration unit{};
  Duration interval{};
  // Of a stretch that would end at `end`; never before `now`.
  [[nodiscard]] Time end_of(Time end, Time now) const;
};

}  // namespace orrery
