// A scenario made ready to run: its trace read or made, sliced, scaled and split into what may be known and what is
// true, its emulation's overrides applied. It is prepared once and then run under any number of policies and seeds,
// also at the same time from several threads: nothing here is ever changed afterwards.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "scenarios/spec/catalogue_file.hpp"
#include "scenarios/spec/scenario.hpp"
#include "sim/api/emulation.hpp"
#include "sim/core/topology.hpp"
#include "sim/core/truth.hpp"
#include "sim/models/speed/performance.hpp"
#include "sim/models/speed/throughputs.hpp"
#include "sim/world/sim_executor.hpp"
#include "traces/format/canonical.hpp"

namespace orrery::app {

// What a restart and a save of each job take, where that follows from its own checkpoint (`by: checkpoint`); empty
// where the scenario says it of all jobs.
struct CheckpointCosts {
  std::vector<Duration> restart{}, save{};  // [job]
};

struct Prepared {
  Prepared();
  Prepared(Prepared&&) noexcept;
  Prepared& operator=(Prepared&&) noexcept;
  ~Prepared();

  Scenario scenario;  // effective: emulation overrides applied
  ImportReport import{};
  std::string trace_sha256{};
  std::string inputs_sha256{};  // of what else it reads (input_digest.hpp)
  std::int64_t trace_jobs = 0;
  std::optional<double> load{};  // offered by the slice that is run (offered_load()); none = all at one instant
  std::shared_ptr<const CatalogueFile> catalogue{};    // `workload.catalogue`; null = there is none
  std::shared_ptr<const ThroughputSet> throughputs{};  // `performance`, where it is such a table; else null
  std::unique_ptr<Topology> topology{};
  Workload workload{};
  std::vector<bool> measured{};                       // [job] metrics are of it; empty = of all
  EstimateSource estimates = EstimateSource::oracle;  // never `automatic`
  CheckpointCosts checkpoint_costs{};
  std::vector<std::optional<Duration>> unlimited{};    // [job] see unlimited_jcts() in sim_world.hpp; may be empty
  const Emulation* emulation = nullptr;                // null unless it emulates a simulator
  std::shared_ptr<const PerformanceModel> profiled{};  // `performance`: speed from profiles
  std::vector<Outage> outages{};                       // the scenario's, and those of recorded capacity
  std::vector<int> job_lines{};                        // of scenarios with `live`: where each job is in the trace
  std::vector<std::string> notes{};                    // what the user should know: overrides, estimates, drops

  // How fast jobs run, as far as anybody is told: the scenario's profiles, else linear in GPUs.
  [[nodiscard]] const PerformanceModel& model() const;
};

// `seed` is that of a generated workload; a recorded one is the same for every seed. `keep` gets the trace as read
// and sliced, from which others can be drawn.
[[nodiscard]] Expected<Prepared> prepare(Scenario scenario, std::uint64_t seed = 1, Trace* keep = nullptr);
// The same scenario (not yet prepared) with a trace that was drawn from the one of `like`, as read and sliced.
[[nodiscard]] Expected<Prepared> prepare_drawn(const Scenario& scenario, const Prepared& like, Trace trace);

}  // namespace orrery::app
