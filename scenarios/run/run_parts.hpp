// What a run needs besides its executor, the same for a simulated and a live one: the job source, the fold that makes
// the tables, the checker, the event log, the folder; and the end of every run, which writes it all.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "scenarios/run/latency_histogram.hpp"
#include "scenarios/run/simulate.hpp"
#include "sim/api/policy_info.hpp"
#include "sim/control/history_estimates.hpp"
#include "sim/models/lifecycle/overheads.hpp"
#include "sim/models/speed/performance.hpp"
#include "sim/observe/check/invariants.hpp"
#include "sim/observe/log/event_log.hpp"
#include "sim/observe/log/run_folder.hpp"
#include "sim/observe/metrics/fold.hpp"
#include "sim/observe/metrics/study.hpp"

namespace orrery::app {

[[nodiscard]] OverheadModel overhead_model(const OverheadConfig& config);

class RunParts {
 public:
  // Opens the folder and the log that `request` wants. `prepared` must outlive the parts.
  [[nodiscard]] static Expected<std::unique_ptr<RunParts>> make(const Prepared& prepared, const RunRequest& request);
  RunParts(const RunParts&) = delete;
  RunParts& operator=(const RunParts&) = delete;

  // Lets the checker reckon how far jobs are in a simulated world; live ones say so themselves. `truth` and what
  // `world` points to must outlive the run.
  void watch_work(const PerformanceModel& truth, const SimOptions& world);
  // The observers of the run, in order.
  [[nodiscard]] std::vector<Observer*> observers();
  [[nodiscard]] ControllerOptions controller_options(const Capabilities& policy);
  // Where a file of the run folder is written; nothing without a folder.
  [[nodiscard]] std::optional<std::string> path(std::string_view file) const;
  // Runs the controller to its end; wall time, decision time, summary and what was wrong go into the report.
  [[nodiscard]] RunReport run(Controller& controller);
  // Writes the tables and commits the folder, if there is one; the report's digest.
  [[nodiscard]] Expected<std::string> write(const RunReport& report);

 private:
  std::shared_ptr<const JobTable> job_table_;
  std::vector<std::int32_t> node_gpus_;

 public:
  // How fast jobs run, as far as anybody is told: the scenario's profiles, else linear in GPUs.
  [[nodiscard]] const PerformanceModel& model() const;
  JobSource source;
  MetricsFold fold;
  StudyFold study;

 private:
  IdealModel ideal_{};
  RunParts(const Prepared& prepared, const RunRequest& request);
  [[nodiscard]] std::optional<Duration> estimate(const JobSpec& spec) const;
  [[nodiscard]] RunManifest manifest_of(const RunReport& report) const;

  const Prepared* prepared_;
  RunRequest request_;
  std::vector<std::vector<std::int32_t>> points_{};  // [job] where it publishes, if that takes time
  HistoryEstimates history_{};
  Inventory empty_;
  std::unique_ptr<Placement> feasibility_;
  std::optional<RunFolder> folder_{};
  std::optional<EventLog> log_{};
  InvariantChecker checker_;
  std::chrono::steady_clock::time_point decision_start_{};
  std::chrono::steady_clock::duration decision_{};
  LatencyHistogram decisions_{};
};

}  // namespace orrery::app
