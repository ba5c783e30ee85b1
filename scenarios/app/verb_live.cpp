// `orrery live run|resume|validate|status`: the same policies on real processes of this machine.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "backend/engine/registry.hpp"
#include "backend/protocol/files.hpp"
#include "scenarios/app/cli.hpp"
#include "scenarios/app/live_screen.hpp"
#include "scenarios/app/scenario_args.hpp"
#include "scenarios/report/table.hpp"
#include "scenarios/run/ended_badly.hpp"
#include "scenarios/run/live_folder.hpp"
#include "scenarios/run/live_run.hpp"
#include "scenarios/run/live_tasks.hpp"
#include "scenarios/run/output_folder.hpp"
#include "scenarios/spec/make_policy.hpp"
#include "sim/core/joined.hpp"
#include "sim/core/json.hpp"
#include "sim/core/json_text.hpp"
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
      "preemptions, {} launches\n{}decision replay: {} of {} equal\n-> {} (digest {})\n",
      headline(prepared), policy_label(request.run.policy), m.finished, m.jobs, m.failed, rejected, times,
      100 * m.gpu_util_ratio, m.preemptions, m.launches, ended_badly(prepared, report->run),
      report->decisions_replayed, report->decisions, *request.run.folder, report->run.result_digest.substr(0, 16));
  return print(out) ? exit_code_of(m) : kRunFailed;
}

int run_action(const std::vector<std::string>& arguments) {
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

// What a job that trains says of itself in metrics.jsonl, else how far its reports say that its work has got.
std::string job_progress(const nlohmann::json& job, const std::string& folder) {
  std::string out;
  if (job.contains("id") && job.contains("launch")) {
    const std::string own = fmt::format("{}/jobs/{}", folder, json_text(job["id"]));
    const auto task = live::read_file(own + "/task.json");
    const auto lines = live::read_file(fmt::format("{}/launch-{}/metrics.jsonl", own, json_text(job["launch"])));
    const auto steps = task ? read_json(*task) : nlohmann::json();
    if (lines && !lines->empty()) {
      const std::size_t end = lines->rfind('\n');  // what follows is half written
      const std::size_t from = end == std::string::npos || end == 0 ? 0 : lines->rfind('\n', end - 1) + 1;
      const auto last = read_json(std::string_view(*lines).substr(from, end - from));
      if (last.is_object() && last.contains("step")) {
        out += fmt::format("  step {}", json_text(last["step"]));
        if (steps.is_object() && steps.contains("steps")) out += fmt::format(" of {}", json_text(steps["steps"]));
        if (last.contains("loss") && last["loss"].is_number())
          out += fmt::format(", loss {:.4g}", last["loss"].get<double>());
      }
    }
  }
  if (job.contains("progress") && job["progress"].is_number())
    out += fmt::format("{} {:.0f} %", out.empty() ? " " : ",", 100 * job["progress"].get<double>());
  return out;
}

int status_action(const std::vector<std::string>& arguments) {
  Args args("orrery live status RUN", {"run"});
  if (const auto done = read_arguments(args, arguments)) return *done;
  const std::string run = run_folder_of(args.text("run"));
  std::string folder = LiveFolder(run).path();
  auto text = live::read_file(folder + "/status.json");
  if (!text) text = live::read_file((folder = run + "/live") + "/status.json");
  if (!text) {
    Diagnostic d{fmt::format("no live run `{}`: neither `{}.live` nor `{}/live` has a status.json", run, run, run)};
    if (is_run_folder(run)) d.hint = "that is a simulated run";
    return report_error(Error(std::move(d)));
  }
  const auto j = read_json(*text);
  if (j.is_discarded() || !j.is_object()) return report_error(Error(Diagnostic{"status.json is damaged"}));
  const bool ended = j.value("ended", false);
  const bool stopped = !ended && !live::runs({j.value("controller", "")});
  std::string out = fmt::format("{}: {} of {} jobs finished at {:.1f} s, {} launches, {} failures",
                                ended     ? "ended"
                                : stopped ? "stopped"
                                          : "running",
                                j.value("finished", 0), j.value("jobs", 0), j.value("time_s", 0.0),
                                j.value("launches", 0), j.value("failures", 0));
  if (const int failed = j.value("failed", 0); failed > 0) out += fmt::format(", {} failed for good", failed);
  if (const int rejected = j.value("rejected", 0); rejected > 0) out += fmt::format(", {} rejected", rejected);
  out += "\n";
  for (const auto& r : j.value("running", nlohmann::json::array()))
    out += fmt::format("  {:<16} {:<14} {}{}\n", r.value("gpus", ""), r.value("job", ""),
                       stopped ? "stopped" : r.value("state", ""), job_progress(r, folder));
  const auto waiting = j.value("waiting", std::vector<std::string>{});
  if (!waiting.empty()) out += fmt::format("  queue: {}\n", joined(waiting, " "));
  if (const auto drift = j.value("drift", ""); !drift.empty()) out += "  " + drift + "\n";
  if (stopped) out += fmt::format("  its controller is gone: `orrery live resume {}` goes on with it\n", run);
  return print(out) ? kOk : kRunFailed;
}

}  // namespace

int live_verb(const std::vector<std::string>& arguments) {
  static const std::vector<Verb> actions{
      {"run", "one scenario under one policy on real processes; leaves a run folder", run_action},
      {"resume", "goes on with a run whose controller was stopped or killed", resume_action},
      {"validate", "live against simulation, policy by policy: decision replay, fidelity, ranking",
       live_validate_action},
      {"calibrate", "measures the jobs that really train, 1, 2 and 4 at once; writes the profile table",
       live_calibrate_action},
      {"status", "what a live run is doing, from another shell", status_action},
  };
  std::string help = "usage: orrery live ACTION [ARGUMENTS]\n\n";
  std::vector<std::string_view> names;
  for (const Verb& a : actions) {
    help += fmt::format("  {:<9} {}\n", a.name, a.summary);
    names.push_back(a.name);
  }
  if (!arguments.empty() && (arguments[0] == "--help" || arguments[0] == "-h")) return print(help) ? kOk : kRunFailed;
  if (arguments.empty()) return std::fputs(help.c_str(), stderr), kUsage;
  for (const Verb& a : actions)
    if (a.name == arguments[0]) return a.run({arguments.begin() + 1, arguments.end()});
  Diagnostic d{fmt::format("unknown action `{}` of live", arguments[0])};
  if (const auto near = closest(arguments[0], names); !near.empty()) d.hint = fmt::format("did you mean `{}`?", near);
  d.notes.push_back(fmt::format("actions: {}", joined(names, ", ")));
  return report_error(Error(std::move(d)));
}

}  // namespace orrery::app
