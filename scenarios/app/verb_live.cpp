// `orrery live run|resume|status`, and the table of all actions of `orrery live`: the same policies on real processes
// of this machine.
#include <fmt/format.h>

#include <filesystem>

#include "scenarios/app/cli.hpp"
#include "scenarios/app/live_screen.hpp"
#include "scenarios/app/scenario_args.hpp"
#include "scenarios/report/table.hpp"
#include "scenarios/run/ended_badly.hpp"
#include "scenarios/run/filled_text.hpp"
#include "scenarios/run/live_folder.hpp"
#include "scenarios/run/live_run.hpp"
#include "scenarios/run/live_status.hpp"
#include "scenarios/run/live_tasks.hpp"
#include "scenarios/run/output_folder.hpp"
#include "scenarios/spec/make_policy.hpp"
#include "sim/observe/log/run_folder.hpp"

namespace orrery::app {
namespace {

// Runs or resumes it and says how it went.
int run_and_tell(const Prepared& prepared, const LiveRequest& request) {
  auto report = run_live(prepared, request);
  if (!report) return report_error(report.error());
  if (report->interrupted) {
    fmt::print(stderr, "{}\n", report->run.failure);
    return kInterrupted;
  }
  if (!report->run.failure.empty()) {
    fmt::print(stderr, "error: {}\n", report->run.failure);
    return exit_code_of(report->run);
  }
  const Summary& m = report->run.result.summary;
  using report::human_duration;
  const std::string rejected = m.rejected > 0 ? fmt::format(", {} rejected", m.rejected) : std::string();
  const std::string times = m.finished == 0 ? std::string()
                                            : fmt::format(", mean JCT {}, makespan {}", human_duration(m.mean_jct_s),
                                                          human_duration(m.makespan_s));
  const std::string out = fmt::format(
      "{}\n{} (live): {} of {} jobs finished, {} failed{}{}, GPU use {:.1f} %, {} "
      "preemptions, {} launches\n{}{}decision replay: {} of {} equal\n-> {} (digest {})\n",
      headline(prepared), policy_label(request.run.policy), m.finished, m.jobs, m.failed, rejected, times,
      100 * m.gpu_util_ratio, m.preemptions, m.launches, ended_badly(prepared, report->run),
      filled_text(prepared.workload.specs, report->launches), report->decisions_replayed, report->decisions,
      *request.run.folder, report->run.result_digest.substr(0, 16));
  return print(out) ? exit_code_of(m) : kRunFailed;
}

int run_live_action(const std::vector<std::string>& arguments) {
  Args args("orrery live run SCENARIO [--policy NAME] [--seed N] [-o DIR]", {"scenario"});
  args.options()("policy", taking<std::string>(), "this policy instead of the scenario's")(
      "seed", taking<std::uint64_t>().otherwise(1), "seed of everything random")(
      "output,o", taking<std::string>(), "run folder (default: output.dir/NAME-POLICY-sSEED-live)")(
      "force", "replace the run that is in the run folder, checkpoints and all")(
      "worker", taking<std::string>(), "worker program (default: orrery-paced beside orrery)")(
      "quiet,q", "no lines while it runs");
  add_scenario_options(args);
  if (const auto done = read_arguments(args, arguments)) return *done;
  auto scenario = scenario_from(args, args.text("policy"));
  if (!scenario) return report_error(scenario.error());
  if (args.has("print-config")) return print(effective_yaml(*scenario)) ? kOk : kRunFailed;
  const auto seed = args.get<std::uint64_t>("seed");
  auto prepared = prepare(std::move(*scenario), seed);
  if (!prepared) return report_error(prepared.error());
  const Scenario& s = prepared->scenario;
  const std::string label = policy_label(s.policy);
  LiveRequest request;
  request.run.folder = args.text("output", fmt::format("{}/{}-{}-s{}-live", s.output_dir, s.name, label, seed));
  if (auto ok = check_live(*prepared, LiveFolder(*request.run.folder).jobs()); !ok) return report_error(ok.error());
  auto worker = workers_of(*prepared, args.text("worker"));
  if (!worker) return report_error(worker.error()), kEngineUnavailable;
  request.worker = *worker;
  request.view = live_screen(args.has("quiet"));
  request.run.policy = s.policy;
  request.run.seed = seed;
  request.run.command = command_text("live run", arguments);
  request.run.live = true;
  request.force = args.has("force");
  if (auto ok = claim_run_folder(*prepared, request.run, args.has("output"), request.force); !ok)
    return report_error(ok.error());
  return run_and_tell(*prepared, request);
}

int resume_action(const std::vector<std::string>& arguments) {
  Args args("orrery live resume RUN [--count-outage]", {"run"});
  args.options()("count-outage", "the run's clock has gone on since it was stopped; by default it stood still")(
      "worker", taking<std::string>(), "worker program (default: the one it began with)")("quiet,q",
                                                                                          "no lines while it runs");
  if (const auto done = read_arguments(args, arguments)) return *done;
  const std::string run = run_folder_of(args.text("run"));
  auto unfinished = unfinished_run(run);
  if (!unfinished) return report_error(unfinished.error());
  LiveRequest request;
  request.resume = true;
  request.count_outage = args.has("count-outage");
  request.view = live_screen(args.has("quiet"));
  // The one it began with, or the one beside this program where that is gone, as after a clone was moved.
  std::error_code ignored;
  const bool gone = !std::filesystem::exists(unfinished->worker, ignored);
  const std::string named = args.text("worker", gone ? std::string() : unfinished->worker);
  request.run.policy = unfinished->scenario.policy;
  request.run.seed = unfinished->seed;
  request.run.command = command_text("live resume", arguments);
  request.run.folder = run;
  auto prepared = prepare(std::move(unfinished->scenario), unfinished->seed);
  if (!prepared) return report_error(prepared.error());
  if (auto ok = check_live(*prepared, LiveFolder(run).jobs()); !ok) return report_error(ok.error());
  auto worker = workers_of(*prepared, named);
  if (!worker) return report_error(worker.error()), kEngineUnavailable;
  request.worker = *worker;
  return run_and_tell(*prepared, request);
}

int status_action(const std::vector<std::string>& arguments) {
  Args args("orrery live status RUN", {"run"});
  if (const auto done = read_arguments(args, arguments)) return *done;
  const auto status = live_status(run_folder_of(args.text("run")));
  if (!status) return report_error(status.error());
  return print(*status) ? kOk : kRunFailed;
}

}  // namespace

int live_verb(const std::vector<std::string>& arguments) {
  static const std::vector<Verb> actions{
      {"run", "one scenario under one policy on real processes; leaves a run folder", run_live_action},
      {"resume", "goes on with a run whose controller was stopped or killed", resume_action},
      {"validate", "live against simulation, policy by policy: decision replay, fidelity, ranking",
       live_validate_action},
      {"calibrate", "measures the jobs that really train, 1, 2 and 4 at once; writes the profile table",
       live_calibrate_action},
      {"status", "what a live run is doing, from another shell", status_action},
  };
  return run_action("live", actions, arguments);
}

}  // namespace orrery::app
