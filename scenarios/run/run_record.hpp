// What is kept of a run while it goes on, the same of a simulated and a live one: the folds that make its tables, and
// the checker.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "scenarios/run/simulate.hpp"
#include "sim/control/observer.hpp"
#include "sim/models/speed/performance.hpp"
#include "sim/observe/check/invariants.hpp"
#include "sim/observe/metrics/fold.hpp"
#include "sim/observe/metrics/study.hpp"

namespace orrery::app {

class RunRecord {
 public:
  // `prepared` must outlive it.
  RunRecord(const Prepared& prepared, const RunRequest& request);
  RunRecord(const RunRecord&) = delete;
  RunRecord& operator=(const RunRecord&) = delete;

  // Lets the checker reckon how far jobs are in a simulated world; live ones say so themselves. `truth` and what
  // `world` points to must outlive the run.
  void watch_work(const PerformanceModel& truth, const SimOptions& world);
  [[nodiscard]] std::vector<Observer*> observers();
  // Its numbers and what the checker found, into the report.
  void report_to(RunReport& report) const;

  [[nodiscard]] const std::shared_ptr<const JobTable>& jobs() const { return jobs_; }
  [[nodiscard]] const std::vector<std::int32_t>& node_gpus() const { return node_gpus_; }
  [[nodiscard]] const MetricsFold& fold() const { return fold_; }

 private:
  const Prepared* prepared_;
  std::shared_ptr<const JobTable> jobs_;
  std::vector<std::int32_t> node_gpus_;
  MetricsFold fold_;
  StudyFold study_;
  InvariantChecker checker_;
};

}  // namespace orrery::app
