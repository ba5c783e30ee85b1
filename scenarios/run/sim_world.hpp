// The simulated world of a run: how fast jobs really run and are believed to, and what a scenario does to them.
#pragma once

#include <optional>
#include <vector>

#include "scenarios/run/simulate.hpp"
#include "sim/models/network/network_model.hpp"
#include "sim/models/speed/measured.hpp"
#include "sim/world/sim_executor.hpp"

namespace orrery::app {

[[nodiscard]] OverheadModel overhead_model(const Prepared& prepared);
// [job] the time from submit to finish with GPUs for all (unlimited.hpp), in the scenario's world as far as that has
// no failures and no neighbours. Empty where the scenario emulates a simulator, whose clock is another.
[[nodiscard]] std::vector<std::optional<Duration>> unlimited_jcts(const Prepared& prepared);

class SimWorld {
 public:
  // `prepared` must outlive it. `commanded`: the policy says when jobs publish.
  SimWorld(const Prepared& prepared, const RunRequest& request, bool commanded);
  SimWorld(const SimWorld&) = delete;
  SimWorld& operator=(const SimWorld&) = delete;

  // As far as anybody is told.
  [[nodiscard]] const PerformanceModel& believed() const;
  [[nodiscard]] const PerformanceModel& truth() const;
  [[nodiscard]] const SimOptions& options() const { return options_; }

 private:
  const Prepared* prepared_;
  std::optional<MeasuredModel> measured_{};
  std::optional<NetworkModel> network_{};
  SimOptions options_{};
};

}  // namespace orrery::app
