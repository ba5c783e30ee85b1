// `orrery live run|resume|validate|status`: the same policies on real processes of this machine.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>

#include "backend/live/files.hpp"
#include "backend/live/process.hpp"
#include "scenarios/app/cli.hpp"
#include "scenarios/app/ended_badly.hpp"
#include "scenarios/app/live_folder.hpp"
#include "scenarios/app/live_run.hpp"
#include "scenarios/app/live_tasks.hpp"
#include "scenarios/app/live_times.hpp"
#include "scenarios/app/make_policy.hpp"
#include "scenarios/app/output_folder.hpp"
#include "scenarios/app/scenario_args.hpp"
#include "scenarios/report/fidelity.hpp"
#include "scenarios/report/table.hpp"

namespace orrery::app {
namespace po = boost::program_options;
namespace {

// The paced gate, in percent: mean JCT and makespan from profiles against live. Wider where the machine's cores were
// contended for.
constexpr double kGatePct = 1;
constexpr double kContendedGatePct = 3;
constexpr double kContendedPressurePct = 60;
// Jobs that really train are gated on what the simulator does not know of: the row of measured times.
constexpr double kTrainedGatePct = 3;

// The worker program; for jobs that really train the trainer has to be there as well.
Expected<std::string> workers_of(const Prepared& prepared, const std::string& named) {
  const Scenario& s = prepared.scenario;
  if (may_train(prepared))
    if (auto trainer = find_trainer(s.live && s.live->gpus); !trainer) return trainer;
  return find_worker(named);
}

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
    return kRunFailed;
  }
  const Summary& m = report->run.result.summary;
  using report::human_duration;
  const std::string rejected = m.rejected > 0 ? fmt::format(", {} rejected", m.rejected) : std::string();
  const std::string out = fmt::format(
      "{}\n{} (live): {} of {} jobs finished, {} failed{}, mean JCT {}, makespan {}, GPU use {:.1f} %, {} "
      "preemptions, {} launches\n{}decision replay: {} of {} equal\n-> {} (digest {})\n",
      headline(prepared), policy_label(request.run.policy), m.finished, m.jobs, m.failed, rejected,
      human_duration(m.mean_jct_s), human_duration(m.makespan_s), 100 * m.gpu_util_ratio, m.preemptions, m.launches,
      ended_badly(prepared, report->run), report->decisions_replayed, report->decisions, *request.run.folder,
      report->run.result_digest.substr(0, 16));
  return print(out) ? exit_code_of(m) : kRunFailed;
}

int run_action(const std::vector<std::string>& arguments) {
  Args args("orrery live run SCENARIO [--policy NAME] [--seed N] [-o DIR]", {"scenario"});
  args.options()("policy", po::value<std::string>(), "this policy instead of the scenario's")(
      "seed", po::value<std::uint64_t>()->default_value(1), "seed of everything random")(
      "output,o", po::value<std::string>(), "run folder (default: output.dir/NAME-POLICY-sSEED-live)")(
      "force", "replace the run that is in the run folder, checkpoints and all")(
      "worker", po::value<std::string>(), "worker program (default: orrery-paced beside orrery)")(
      "quiet,q", "no lines while it runs");
  add_scenario_options(args);
  if (auto ok = args.parse(arguments); !ok) return report_error(ok.error());
  if (args.wants_help()) return print(args.help()) ? kOk : kRunFailed;
  auto scenario = scenario_from(args, args.text("policy"));
  if (!scenario) return report_error(scenario.error());
  if (args.has("print-config")) return print(effective_yaml(*scenario)) ? kOk : kRunFailed;
  const auto seed = args.get<std::uint64_t>("seed");
  auto prepared = prepare(std::move(*scenario), seed);
  if (!prepared) return report_error(prepared.error());
  const Scenario& s = prepared->scenario;
  const std::string label = policy_label(s.policy);
  auto worker = workers_of(*prepared, args.text("worker"));
  if (!worker) return report_error(worker.error()), kEngineUnavailable;
  LiveRequest request;
  request.worker = *worker;
  request.quiet = args.has("quiet");
  request.run.policy = s.policy;
  request.run.seed = seed;
  request.run.command = command_text("live run", arguments);
  request.run.folder = args.text("output", fmt::format("{}/{}-{}-s{}-live", s.output_dir, s.name, label, seed));
  request.run.live = true;
  request.force = args.has("force");
  if (auto ok = claim_run_folder(*prepared, request.run, args.has("output"), request.force); !ok)
    return report_error(ok.error());
  return run_and_tell(*prepared, request);
}

std::vector<double> submits_of(const Prepared& p) {
  std::vector<double> s;
  for (const JobSpec& spec : p.workload.specs) s.push_back(to_seconds(spec.submit));
  return s;
}

struct Validated {
  report::Fidelity fidelity;
  double gate_pct = kGatePct;
  double others_cpu_pct = 0;
};

// One policy: live, then simulated with measured times, then from profiles (`promised`, else the scenario's own).
Expected<Validated> validate_policy(const Prepared& prepared, LiveRequest request, const MeasuredTimes* promised) {
  auto live = run_live(prepared, request);
  if (!live) return tl::make_unexpected(std::move(live.error()));
  if (!live->run.failure.empty())
    return fail(fmt::format("{}: {}", policy_label(request.run.policy), live->run.failure));
  RunRequest again = request.run;
  again.folder.reset();
  again.measured = promised;
  auto profiled = simulate(prepared, again);
  const MeasuredTimes measured = measured_times(prepared, live->launches);
  again.measured = &measured;
  auto replayed = simulate(prepared, again);
  for (auto* r : {&profiled, &replayed}) {
    if (!*r) return tl::make_unexpected(std::move(r->error()));
    if (!(*r)->failure.empty())
      return fail(fmt::format("simulation of {}: {}", request.run.policy.name, (*r)->failure));
  }
  const std::vector<double> submits = submits_of(prepared);
  const report::SeedResult& truth = live->run.result;
  const auto against = [&](const RunReport& r) {
    return report::gap(truth.summary, truth.jct_by_job_s, r.result.summary, r.result.jct_by_job_s, submits);
  };
  Validated v;
  v.fidelity = {
      policy_label(request.run.policy), truth.summary, against(*replayed), against(*profiled), live->decisions,
      live->decisions_replayed};
  if (live->priority_refused || live->cpu_pressure_pct > kContendedPressurePct) v.gate_pct = kContendedGatePct;
  if (may_train(prepared)) v.gate_pct = kTrainedGatePct;
  v.others_cpu_pct = live->others_cpu_pct;
  return v;
}

int validate_action(const std::vector<std::string>& arguments) {
  Args args("orrery live validate SCENARIO [--policies a,b,c] [--profile FILE.csv] [-o DIR]", {"scenario"});
  args.options()("policies", po::value<std::string>(), "which, in this order (default: compare.policies)")(
      "seed", po::value<std::uint64_t>()->default_value(1), "seed of everything random")(
      "output,o", po::value<std::string>(), "keep the run folders of the live runs in this folder")(
      "worker", po::value<std::string>(), "worker program (default: orrery-paced beside orrery)")(
      "gate", po::value<double>(),
      "gate in percent (default: 1; 3 where raised priority is refused or CPU pressure is above 60 %, and for jobs "
      "that really train)")("profile", po::value<std::string>(),
                            "table of `live calibrate`: what the simulation from profiles believes");
  args.within("gate", 0, 1000);
  add_scenario_options(args);
  if (auto ok = args.parse(arguments); !ok) return report_error(ok.error());
  if (args.wants_help()) return print(args.help()) ? kOk : kRunFailed;
  auto scenario = scenario_from(args, "");
  if (!scenario) return report_error(scenario.error());
  auto policies = chosen_policies(args, *scenario);
  if (!policies) return report_error(policies.error());
  const auto seed = args.get<std::uint64_t>("seed");
  auto prepared = prepare(std::move(*scenario), seed);
  if (!prepared) return report_error(prepared.error());
  const Scenario& s = prepared->scenario;
  auto worker = workers_of(*prepared, args.text("worker"));
  if (!worker) return report_error(worker.error()), kEngineUnavailable;
  std::optional<MeasuredTimes> promised;
  if (args.has("profile")) {
    auto rows = read_profile(args.text("profile"));
    if (!rows) return report_error(rows.error());
    auto times = promised_times(*prepared, *rows);
    if (!times) return report_error(times.error());
    promised = *std::move(times);
  }
  const bool real = may_train(*prepared);
  const std::string folder = args.text("output", fmt::format("{}/{}-validate", s.output_dir, s.name));
  std::vector<report::Fidelity> all;
  bool passed = true;
  double gate = 0;
  const report::Gated gated = real ? report::Gated::replayed : report::Gated::profiled;
  std::string verdict;
  for (const PolicyConfig& policy : *policies) {
    LiveRequest request;
    request.worker = *worker;
    request.quiet = true;
    request.run.policy = policy;
    request.run.seed = seed;
    request.run.command = command_text("live validate", arguments);
    request.run.folder = fmt::format("{}/{}-s{}", folder, policy_label(policy), seed);
    std::error_code ignored;
    std::filesystem::create_directories(folder, ignored);
    bool good = false;
    // What really trains is not run twice: it takes minutes, and the reason for a miss is told.
    for (int attempt = 1; attempt <= (real ? 1 : 2) && !good; ++attempt) {
      fmt::print(stderr, "{}: live{}\n", policy_label(policy), attempt > 1 ? ", once more" : "");
      auto v = validate_policy(*prepared, request, promised ? &*promised : nullptr);
      if (!v) return report_error(v.error()), kRunFailed;
      if (attempt > 1) all.pop_back();
      all.push_back(v->fidelity);
      const double allowed = args.has("gate") ? args.get<double>("gate") : v->gate_pct;
      gate = std::max(gate, allowed);
      const report::Judgement judged = report::judge(v->fidelity, allowed, gated, v->others_cpu_pct);
      const report::FidelityGap& held = real ? v->fidelity.replayed : v->fidelity.profiled;
      if (!report::within(v->fidelity, allowed, gated))
        fmt::print(stderr, "{}: outside {} %: mean JCT {:+.2f} %, makespan {:+.2f} %\n", policy_label(policy),
                   allowed, held.mean_jct_error_pct, held.makespan_error_pct);
      good = judged.verdict != report::Verdict::missed;
      verdict += judged.note;
    }
    passed = passed && good;
  }
  if (!print(headline(*prepared) + "\n" + report::render_fidelity(all, gate, gated) + verdict)) return kRunFailed;
  return passed ? kOk : kGateFailed;
}

int resume_action(const std::vector<std::string>& arguments) {
  Args args("orrery live resume RUN [--count-outage]", {"run"});
  args.options()("count-outage", "the run's clock has gone on since it was stopped; by default it stood still")(
      "worker", po::value<std::string>(), "worker program (default: the one it began with)")(
      "quiet,q", "no lines while it runs");
  if (auto ok = args.parse(arguments); !ok) return report_error(ok.error());
  if (args.wants_help()) return print(args.help()) ? kOk : kRunFailed;
  const std::string run = run_folder_of(args.text("run"));
  auto unfinished = unfinished_run(run);
  if (!unfinished) return report_error(unfinished.error());
  LiveRequest request;
  request.resume = true;
  request.count_outage = args.has("count-outage");
  request.quiet = args.has("quiet");
  request.worker = args.text("worker", unfinished->worker);
  request.run.policy = unfinished->scenario.policy;
  request.run.seed = unfinished->seed;
  request.run.command = command_text("live resume", arguments);
  request.run.folder = run;
  auto prepared = prepare(std::move(unfinished->scenario), unfinished->seed);
  if (!prepared) return report_error(prepared.error());
  return run_and_tell(*prepared, request);
}

int status_action(const std::vector<std::string>& arguments) {
  Args args("orrery live status RUN", {"run"});
  if (auto ok = args.parse(arguments); !ok) return report_error(ok.error());
  if (args.wants_help()) return print(args.help()) ? kOk : kRunFailed;
  const std::string run = run_folder_of(args.text("run"));
  auto text = live::read_file(run + ".live/status.json");
  if (!text) text = live::read_file(run + "/live/status.json");
  if (!text) {
    Diagnostic d{fmt::format("no live run `{}`: neither `{}.live` nor `{}/live` has a status.json", run, run, run)};
    return report_error(Error(std::move(d)));
  }
  const auto j = nlohmann::json::parse(*text, nullptr, false);
  if (j.is_discarded() || !j.is_object()) return report_error(Error(Diagnostic{"status.json is damaged"}));
  const bool ended = j.value("ended", false);
  const live::ProcessId controller{j.value("pid", 0), j.value("pid_start_time", std::uint64_t{0})};
  const bool stopped = !ended && live::identify(controller.pid) != controller;
  std::string out = fmt::format("{}: {} of {} jobs finished at {:.1f} s, {} launches, {} failures\n",
                                ended     ? "ended"
                                : stopped ? "stopped"
                                          : "running",
                                j.value("finished", 0), j.value("jobs", 0), j.value("time_s", 0.0),
                                j.value("launches", 0), j.value("failures", 0));
  for (const auto& r : j.value("running", nlohmann::json::array()))
    out += fmt::format("  {:<16} {:<14} {}\n", r.value("gpus", ""), r.value("job", ""), r.value("state", ""));
  const auto waiting = j.value("waiting", std::vector<std::string>{});
  if (!waiting.empty()) out += fmt::format("  queue: {}\n", fmt::join(waiting, " "));
  if (const auto drift = j.value("drift", ""); !drift.empty()) out += "  " + drift + "\n";
  if (stopped) out += fmt::format("  its controller is gone: `orrery live resume {}` goes on with it\n", run);
  return print(out) ? kOk : kRunFailed;
}

}  // namespace

int live_verb(const std::vector<std::string>& arguments) {
  static const std::vector<Verb> actions{
      {"run", "one scenario under one policy on real processes; leaves a run folder", run_action},
      {"resume", "goes on with a run whose controller was stopped or killed", resume_action},
      {"validate", "live against simulation, policy by policy: decision replay, fidelity, ranking", validate_action},
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
  d.notes.push_back(fmt::format("actions: {}", fmt::join(names, ", ")));
  return report_error(Error(std::move(d)));
}

}  // namespace orrery::app
