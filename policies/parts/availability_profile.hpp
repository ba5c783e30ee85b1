// Free capacity as a function of future time: piecewise constant, from now on, as running jobs and reservations
// are expected to end. The planner that all backfilling rests on. Units: milli-GPUs.
#pragma once

#include <cstdint>
#include <vector>

#include "sim/core/time.hpp"

namespace orrery {

class AvailabilityProfile {
 public:
  struct Point {
    Time at{};
    std::int64_t free = 0;  // from `at` to the next point
  };

  // Everything `free` from `now` on.
  void reset(Time now, std::int64_t free) { points_.assign(1, {now, free}); }
  // Forgets what lies before `now`.
  void advance(Time now);
  // Adds `delta` to the free capacity in [from, to); `from` is clamped to the profile's start.
  void add(Time from, Time to, std::int64_t delta);
  // The earliest t >= `from` with at least `amount` free during [t, t + length); kNever if there is none.
  [[nodiscard]] Time earliest(std::int64_t amount, Duration length, Time from = {}) const;
  // The first point after the start, or kNever.
  [[nodiscard]] Time next_change() const { return points_.size() > 1 ? points_[1].at : kNever; }
  [[nodiscard]] const std::vector<Point>& points() const { return points_; }

 private:
  std::size_t split(Time at);  // index of the point that starts at `at`

  std::vector<Point> points_{{Time{}, 0}};
};

}  // namespace orrery
