// Wiring of a live run: the same controller, policy, observers and tables as simulate(), with real processes below.
// While it runs, DIR.live holds what its workers need and leave (checkpoints, logs, status.json); when it has ended
// well it becomes DIR/live.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "backend/live/live_executor.hpp"
#include "scenarios/run/live_view.hpp"

namespace orrery::app {

struct LiveRequest {
  RunRequest run;             // with a folder
  std::string worker;         // path of the worker program; empty: orrery-paced beside this program
  MakeLiveView view{};        // who watches; may be empty
  bool resume = false;        // go on with what is in DIR.live
  bool force = false;         // replace what is in the way: a finished run, or one that has not ended
  bool count_outage = false;  // resume: the clock went on meanwhile, else it stood still
};

struct LiveReport {
  RunReport run;
  std::vector<live::LiveExecutor::Launch> launches;
  std::uint64_t decisions = 0;           // of the live run
  std::uint64_t decisions_replayed = 0;  // of these, equal when the recorded batches went to a fresh policy
  std::string replay_difference;         // the first decision that differed; empty = all are equal
  bool interrupted = false;
  std::uint64_t decisions_resumed = 0;  // of a resumed run: taken again from the journal, each as it was
  int leftovers_killed = 0;             // of a resumed run: processes that had not left by themselves
  bool priority_refused = false;        // paced workers had to wait for cores like everybody else
  double cpu_pressure_pct = 0;          // share of the run in which some process waited for a core; -1 = unknown
  double others_cpu_pct = 0;            // of all cores, what programs that are not the run's used; -1 = unknown
};

// Runs one policy live. What keeps it from running at all is an error (exit code 4 when the engine is what is
// missing); what goes wrong in it is in the report.
[[nodiscard]] Expected<LiveReport> run_live(const Prepared& prepared, const LiveRequest& request);

// The worker program: `named`, or orrery-paced beside this program; an error that says how to get it.
[[nodiscard]] Expected<std::string> find_worker(const std::string& named);

}  // namespace orrery::app
