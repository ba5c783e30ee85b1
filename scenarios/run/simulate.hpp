// Wiring: makes a simulated run out of a scenario. The one place that knows every layer. A scenario is prepared
// once (trace read, workload and topology built) and then run under any number of policies and seeds, also at the
// same time from several threads: what is prepared is never changed afterwards.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "scenarios/report/row.hpp"
#include "scenarios/spec/catalogue_file.hpp"
#include "scenarios/spec/scenario.hpp"
#include "sim/api/emulation.hpp"
#include "sim/api/policy.hpp"
#include "sim/control/controller.hpp"
#include "sim/core/truth.hpp"
#include "sim/core/why.hpp"
#include "sim/models/speed/measured.hpp"
#include "sim/models/speed/performance.hpp"
#include "sim/models/speed/throughputs.hpp"
#include "sim/world/sim_executor.hpp"
#include "traces/format/canonical.hpp"

namespace orrery::app {

struct Prepared {
  Scenario scenario;  // effective: emulation overrides applied
  ImportReport import;
  std::string trace_sha256;
  std::string inputs_sha256{};  // of what else it reads (input_digest.hpp)
  std::int64_t trace_jobs = 0;
  std::optional<double> load{};  // offered by the slice that is run (offered_load()); none = all at one instant
  std::shared_ptr<const CatalogueFile> catalogue;    // `workload.catalogue`; null = there is none
  std::shared_ptr<const ThroughputSet> throughputs;  // `performance`, where it is such a table; else null
  std::unique_ptr<Topology> topology;
  Workload workload;
  EstimateSource estimates = EstimateSource::oracle;  // never `automatic`
  const Emulation* emulation = nullptr;               // null unless it emulates a simulator
  std::shared_ptr<const PerformanceModel> profiled;   // `performance`: speed from profiles
  std::vector<Outage> outages;                        // the scenario's, and those of recorded capacity
  std::vector<int> job_lines;                         // of scenarios with `live`: where each job is in the trace
  std::vector<std::string> notes;                     // what the user should know: overrides, estimates, drops
};

// `seed` is that of a generated workload; a recorded one is the same for every seed. `keep` gets the trace as read
// and sliced, from which others can be drawn.
[[nodiscard]] Expected<Prepared> prepare(Scenario scenario, std::uint64_t seed = 1, Trace* keep = nullptr);
// The same scenario (not yet prepared) with a trace that was drawn from the one of `like`, as read and sliced.
[[nodiscard]] Expected<Prepared> prepare_drawn(const Scenario& scenario, const Prepared& like, Trace trace);

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
};

// Runs one policy with one seed. A broken invariant or a stalled policy is a RunReport with `failure`; bad options
// and files that cannot be written are errors.
[[nodiscard]] Expected<RunReport> simulate(const Prepared& prepared, const RunRequest& request);

}  // namespace orrery::app
