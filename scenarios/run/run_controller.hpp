// One controller from its first instant to its last, over a simulated or a live world: the job source, what policies
// are told of run times, how long decisions took, and why it ended.
#pragma once

#include <functional>
#include <vector>

#include "scenarios/run/run_policy.hpp"
#include "scenarios/run/run_record.hpp"
#include "scenarios/run/simulate.hpp"
#include "sim/control/executor.hpp"
#include "sim/control/observer.hpp"
#include "sim/models/speed/performance.hpp"

namespace orrery::app {

// Who decides, and over what.
struct RunPlayers {
  Executor& executor;
  const RunPolicy& policy;           // without failure()
  const PerformanceModel& believed;  // how fast jobs run, as far as anybody is told
  // Called when the run is ended by what the executor or an observer throws, with that in flight, while what
  // observers look at is there still; it is thrown on afterwards. May be empty.
  std::function<void()> break_off{};
};

// Runs it to its end; `more` observe it after the record. Wall time, decision time, summary and what was wrong are in
// the report; what the executor throws to end the run passes through.
[[nodiscard]] RunReport run_controller(const Prepared& prepared, const RunRequest& request, RunPlayers players,
                                       RunRecord& record, const std::vector<Observer*>& more);
// Decides once more what was decided, for `observers` alone; nothing is timed. Why it broke off, or "".
[[nodiscard]] std::string run_again(const Prepared& prepared, const RunRequest& request, RunPlayers players,
                                    const std::vector<Observer*>& observers);

}  // namespace orrery::app
