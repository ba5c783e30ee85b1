#include "scenarios/run/run_controller.hpp"

#include <fmt/format.h>

#include <chrono>
#include <memory>
#include <optional>

#include "policies/placement/placements.hpp"
#include "scenarios/run/estimates.hpp"
#include "scenarios/run/latency_histogram.hpp"
#include "scenarios/run/policy_failed.hpp"
#include "scenarios/run/progress_watch.hpp"
#include "scenarios/spec/make_policy.hpp"
#include "sim/control/controller.hpp"
#include "sim/core/assert.hpp"

namespace orrery::app {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// How long decisions take.
class DecisionClock {
 public:
  void operator()(bool begin) {
    const auto now = Clock::now();
    if (begin) {
      began_ = now;
      return;
    }
    all_ += now - began_;
    each_.add(now - began_);
  }
  void report_to(RunReport& report) const {
    report.decision_s = std::chrono::duration<double>(all_).count();
    report.decision_p50_s = each_.quantile_s(0.5);
    report.decision_p99_s = each_.quantile_s(0.99);
  }

 private:
  Clock::time_point began_{};
  Clock::duration all_{};
  LatencyHistogram each_{};
};

// What a controller asks for and must outlive it.
class ControllerParts {
 public:
  ControllerParts(const Prepared& p, const RunRequest& request, const Capabilities& policy)
      : estimates(p),
        source(p.workload.specs, [this](const JobSpec& spec) { return estimates.of(spec); }),
        empty_(*p.topology),
        feasibility_(make_placement(placement_of(request.policy, p.scenario.emulate), request.seed)) {
    options.retry_budget = static_cast<std::uint32_t>(p.scenario.failures.retries);
#ifndef NDEBUG
    options.check_views = true;  // the debug preset rebuilds and compares the cluster state after every event
#endif
    options.elastic = policy.elastic;
    options.feasible = [this](const Demand& d) {
      Allocation a;
      return feasibility_->place(d, empty_, a);
    };
  }
  ControllerParts(const ControllerParts&) = delete;
  ControllerParts& operator=(const ControllerParts&) = delete;

  [[nodiscard]] std::vector<Observer*> with(std::vector<Observer*> observers) {
    if (Observer* learns = estimates.observer()) observers.push_back(learns);
    return observers;
  }

  Estimates estimates;
  JobSource source;
  ControllerOptions options{};

 private:
  Inventory empty_;
  std::unique_ptr<Placement> feasibility_;
};

bool at_clocks_end(const RunOutcome& outcome) {
  return outcome.ended.ns > kForever.ns / 2;
}

// Why a run that did not complete ended.
std::string stalled_text(const RunOutcome& outcome, const std::string& policy) {
  if (at_clocks_end(outcome))
    return fmt::format(
        "{} jobs are unfinished after {:.0f} years, which is as far as a run's clock goes: do they lose their work "
        "again and again? `checkpoints.every` keeps it",
        outcome.unfinished, to_seconds(outcome.ended) / 86'400 / 365);
  return fmt::format("policy `{}` left {} jobs unfinished with nothing that could wake it, at {} s", policy,
                     outcome.unfinished, to_seconds(outcome.ended));
}

}  // namespace

RunReport run_controller(const Prepared& p, const RunRequest& request, RunPlayers players, RunRecord& record,
                         const std::vector<Observer*>& more) {
  ControllerParts parts(p, request, players.policy.capabilities());
  DecisionClock decisions;
  parts.options.on_decision = [&decisions](bool begin) { decisions(begin); };
  ProgressWatch progress(p);
  std::vector<Observer*> observers = parts.with(record.observers());
  observers.push_back(&progress);
  observers.insert(observers.end(), more.begin(), more.end());
  Controller controller(players.executor, players.policy.get(), parts.source, p.workload.specs, p.workload.demands,
                        players.believed, parts.options, observers);
  RunReport report;
  report.result.seed = request.seed;
  const auto start = Clock::now();
  try {
    const RunOutcome outcome = controller.run();
    if (outcome.status == RunStatus::broken) {
      report.failure = outcome.why;
      return report;
    }
    report.events = outcome.events;
    if (outcome.status == RunStatus::stalled) report.failure = stalled_text(outcome, policy_label(request.policy));
    report.no_progress = outcome.status == RunStatus::stalled && at_clocks_end(outcome);
  } catch (const AssertionFailed& e) {
    report.failure = e.what();
    return report;
  } catch (const PolicyFailed& e) {
    report.failure = failure_text(e);
    return report;
  } catch (const NoProgress& e) {
    report.failure = e.why;
    report.no_progress = true;
    return report;
  } catch (...) {
    if (players.break_off) players.break_off();
    throw;
  }
  report.wall_s = seconds_since(start);
  decisions.report_to(report);
  record.report_to(report);
  return report;
}

std::string run_again(const Prepared& p, const RunRequest& request, RunPlayers players,
                      const std::vector<Observer*>& observers) {
  ControllerParts parts(p, request, players.policy.capabilities());
  Controller controller(players.executor, players.policy.get(), parts.source, p.workload.specs, p.workload.demands,
                        players.believed, parts.options, parts.with(observers));
  try {
    return controller.run().why;
  } catch (const AssertionFailed& e) {
    return e.what();
  } catch (const PolicyFailed& e) {
    return failure_text(e);
  }
}

}  // namespace orrery::app
