// How a run counts the time that its jobs run: to the nanosecond, or, under `emulate: titan`, as in TitanSched. That
// goes in steps of its scheduling interval and rounds what a job ran in each to whole seconds, so that its jobs' own
// clocks drift from the cluster's by up to half a second per step. What a run reports of its jobs (run time, finish,
// and all that follows from them) is on this clock; waiting and starting up are not rounded.
#pragma once

#include "sim/core/time.hpp"

namespace orrery {

struct RunClock {
  Duration step{};  // 0 = exact

  // What a job that ran from one instant to another has run.
  [[nodiscard]] Duration ran(Time from, Time to) const {
    if (step.ns == 0) return to - from;
    Duration counted{};
    for (Time end{(from.ns / step.ns + 1) * step.ns}; end < to; end = end + step) {
      counted += seconds(whole_seconds(end - from));
      from = end;
    }
    return counted + seconds(whole_seconds(to - from));
  }
};

}  // namespace orrery
