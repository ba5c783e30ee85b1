// How TitanSched's simulator counts a job's time, for `emulate: titan` only: in steps of its scheduling interval,
// each of which rounds the time that the job ran in it to whole seconds. A job that starts up for 60.4 s of its first
// 300 s thus "runs" 240 s, not 239.6. Policies of that simulator see these counts.
#pragma once

#include <cstdint>

#include "sim/api/view.hpp"

namespace orrery {

// One job's counts; update() at every tick, while the job is there.
struct TitanClock {
  Time last{};                 // tick
  Duration ran{};              // as the job's view said then
  std::int64_t running_s = 0;  // whole seconds
  double attained_gpu_s = 0;   // start-up included
  Duration ahead{};            // how far the rounding has carried it ahead of the real clock

  void update(const JobView& v, Time now) {
    const Duration more = v.ran - ran;
    const std::int64_t whole = whole_seconds(more);
    const Duration holding = now - last - more + seconds(whole);
    if (v.held != nullptr && last.ns > 0) attained_gpu_s += to_seconds(holding) * v.held->gpu_count();
    last = now;
    ran = v.ran;
    running_s += whole;
    ahead += seconds(whole) - more;
  }
  // Since it was submitted.
  [[nodiscard]] double staying_s(const JobView& v, Time now) const {
    return to_seconds(now - v.spec->submit + ahead);
  }
};

}  // namespace orrery
