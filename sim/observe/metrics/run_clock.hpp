// How a run counts the time that its jobs run: to the nanosecond, unless it emulates a simulator that counts in steps
// of its own (Emulation::counted). What a run reports of its jobs (run time, finish, and all that follows from them)
// is on this clock, which may drift from the cluster's; waiting and starting up are the cluster's.
#pragma once

#include "sim/core/time.hpp"

namespace orrery {

struct RunClock {
  Duration (*counted)(Time from, Time to) = nullptr;  // null: exact

  // What a job that ran from one instant to another has run.
  [[nodiscard]] Duration ran(Time from, Time to) const { return counted == nullptr ? to - from : counted(from, to); }
};

}  // namespace orrery
