// Simulates what is prepared: world, record, output, controller, each made from those before it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "scenarios/report/row.hpp"
#include "scenarios/run/prepared.hpp"
#include "sim/core/why.hpp"
#include "sim/models/speed/measured.hpp"

namespace orrery::app {

struct RunRequest {
  PolicyConfig policy;
  std::uint64_t seed = 1;
  std::optional<std::string> folder;        // write a run folder there
  bool replace = true;                      // an earlier run that is there, else it is an error
  std::string command;                      // as typed, for the manifest
  bool live = false;                        // real processes: work is what they say it is
  const MeasuredTimes* measured = nullptr;  // simulate with these instead of the scenario's model and overheads
};

struct RunReport {
  report::SeedResult result;
  std::string result_digest;  // empty without a folder
  double wall_s = 0;
  double decision_s = 0;
  std::optional<double> decision_p50_s, decision_p99_s;  // wall time of one decision
  std::uint64_t events = 0;
  std::uint64_t violations = 0;
  std::vector<std::pair<JobId, Rejection>> rejected;  // by id
  std::string failure;                                // empty = the run is good; else why it is not
  bool no_progress = false;                           // it failed because jobs lost their work again and again
};

// Runs one policy with one seed. A broken invariant or a stalled policy is a RunReport with `failure`; bad options
// and files that cannot be written are errors.
[[nodiscard]] Expected<RunReport> simulate(const Prepared& prepared, const RunRequest& request);

}  // namespace orrery::app
