// `orrery live validate`: each policy live, then simulated twice; how far the simulations were from it. What was
// finished when it was interrupted is kept in validate.json of its folder, and the next call goes on from there.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <optional>

#include "backend/protocol/files.hpp"
#include "scenarios/app/cli.hpp"
#include "scenarios/app/live_screen.hpp"
#include "scenarios/app/scenario_args.hpp"
#include "scenarios/report/fidelity.hpp"
#include "scenarios/run/ended_badly.hpp"
#include "scenarios/run/live_folder.hpp"
#include "scenarios/run/live_run.hpp"
#include "scenarios/run/live_tasks.hpp"
#include "scenarios/run/live_times.hpp"
#include "scenarios/run/output_folder.hpp"
#include "scenarios/spec/make_policy.hpp"
#include "sim/core/json.hpp"
#include "sim/core/json_text.hpp"
#include "sim/observe/log/digest.hpp"
#include "sim/observe/log/run_folder.hpp"

namespace orrery::app {
namespace fs = std::filesystem;
namespace {

using Json = nlohmann::json;

// The paced gate, in percent: mean JCT and makespan from profiles against live. Wider where the machine's cores were
// contended for.
constexpr double kGatePct = 1;
constexpr double kContendedGatePct = 3;
constexpr double kContendedPressurePct = 60;
// Jobs that really train are gated on what the simulator does not know of: the row of measured times.
constexpr double kTrainedGatePct = 3;

std::vector<double> submits_of(const Prepared& p) {
  std::vector<double> s;
  for (const JobSpec& spec : p.workload.specs) s.push_back(to_seconds(spec.submit));
  return s;
}

struct Validated {
  report::Fidelity fidelity;
  double gate_pct = kGatePct;
  double others_cpu_pct = 0;
  bool interrupted = false;
  std::string bad_ends{};  // jobs that failed or were rejected, for people
  bool failed = false;     // ... so that the run is not good
};

Json json_of(const report::FidelityGap& g) {
  return {{"mean_jct_s", g.summary.mean_jct_s},
          {"makespan_s", g.summary.makespan_s},
          {"mean_jct_error_pct", g.mean_jct_error_pct},
          {"makespan_error_pct", g.makespan_error_pct},
          {"p50_job_error_pct", g.p50_job_error_pct},
          {"p90_job_error_pct", g.p90_job_error_pct},
          {"order_tau", g.order_tau},
          {"mean_jct_low_pct", g.mean_jct_low_pct},
          {"mean_jct_high_pct", g.mean_jct_high_pct}};
}

Json json_of(const Validated& v) {
  const report::Fidelity& f = v.fidelity;
  return {{"policy", f.policy},
          {"mean_jct_s", f.live.mean_jct_s},
          {"makespan_s", f.live.makespan_s},
          {"replayed", json_of(f.replayed)},
          {"profiled", json_of(f.profiled)},
          {"decisions", f.decisions},
          {"decisions_replayed", f.decisions_replayed},
          {"gate_pct", v.gate_pct},
          {"others_cpu_pct", v.others_cpu_pct}};
}

report::FidelityGap gap_of(const Json& j) {
  report::FidelityGap g;
  g.summary.mean_jct_s = j.at("mean_jct_s").get<double>();
  g.summary.makespan_s = j.at("makespan_s").get<double>();
  g.mean_jct_error_pct = j.at("mean_jct_error_pct").get<double>();
  g.makespan_error_pct = j.at("makespan_error_pct").get<double>();
  g.p50_job_error_pct = j.at("p50_job_error_pct").get<double>();
  g.p90_job_error_pct = j.at("p90_job_error_pct").get<double>();
  g.order_tau = j.at("order_tau").get<double>();
  g.mean_jct_low_pct = j.at("mean_jct_low_pct").get<double>();
  g.mean_jct_high_pct = j.at("mean_jct_high_pct").get<double>();
  return g;
}

// Nothing where the text was written by another version.
std::optional<Validated> validated_of(const Json& j) {
  try {
    Validated v;
    v.fidelity.policy = j.at("policy").get<std::string>();
    v.fidelity.live.mean_jct_s = j.at("mean_jct_s").get<double>();
    v.fidelity.live.makespan_s = j.at("makespan_s").get<double>();
    v.fidelity.replayed = gap_of(j.at("replayed"));
    v.fidelity.profiled = gap_of(j.at("profiled"));
    v.fidelity.decisions = j.at("decisions").get<std::uint64_t>();
    v.fidelity.decisions_replayed = j.at("decisions_replayed").get<std::uint64_t>();
    v.gate_pct = j.at("gate_pct").get<double>();
    v.others_cpu_pct = j.at("others_cpu_pct").get<double>();
    return v;
  } catch (const Json::exception&) {
    return std::nullopt;
  }
}

// validate.json: there while a validation is not through; what it is of, and what it has of each policy.
class Progress {
 public:
  Progress(std::string folder, std::string of) : path_(std::move(folder) + "/validate.json"), of_(std::move(of)) {
    if (const auto text = live::read_file(path_)) state_ = read_json(*text);
    if (!state_.is_object()) state_ = nullptr;
  }
  [[nodiscard]] bool interrupted() const { return state_.is_object(); }
  [[nodiscard]] bool ours() const { return interrupted() && state_.value("of", "") == of_; }
  Expected<void> begin() {
    if (!ours()) state_ = {{"of", of_}, {"policies", Json::object()}};
    return write();
  }
  [[nodiscard]] std::optional<Validated> of(const std::string& policy) const {
    const auto all = state_.find("policies");
    if (all == state_.end() || !all->is_object() || !all->contains(policy)) return std::nullopt;
    return validated_of((*all)[policy]);
  }
  Expected<void> add(const std::string& policy, const Validated& v) {
    state_["policies"][policy] = json_of(v);
    return write();
  }
  void end() const {
    std::error_code ignored;
    fs::remove(path_, ignored);
  }

 private:
  [[nodiscard]] Expected<void> write() const {
    if (auto ok = live::replace_file(path_, json_text(state_, 1) + "\n"); !ok)
      return tl::make_unexpected(std::move(ok.error()));
    return {};
  }
  std::string path_, of_;
  Json state_;
};

// One policy: live, then simulated with measured times, then from profiles (`promised`, else the scenario's own).
Expected<Validated> validate_policy(const Prepared& prepared, LiveRequest request, const MeasuredTimes* promised) {
  auto live = run_live(prepared, request);
  if (!live) return tl::make_unexpected(std::move(live.error()));
  Validated v;
  v.interrupted = live->interrupted;
  if (v.interrupted) return v;
  if (!live->run.failure.empty())
    return fail(fmt::format("{}: {}", policy_label(request.run.policy), live->run.failure));
  RunRequest again = request.run;
  again.live = false;
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
  v.fidelity = {
      policy_label(request.run.policy), truth.summary, against(*replayed), against(*profiled), live->decisions,
      live->decisions_replayed};
  if (live->priority_refused || live->cpu_pressure_pct > kContendedPressurePct) v.gate_pct = kContendedGatePct;
  if (may_train(prepared)) v.gate_pct = kTrainedGatePct;
  v.others_cpu_pct = live->others_cpu_pct;
  v.bad_ends = ended_badly(prepared, live->run);
  v.failed = exit_code_of(truth.summary) != kOk;
  return v;
}

// Whether the folder may be written: what was validated there stays, what an interrupted validation of the same has
// begun goes.
Expected<void> claim_folder(const Prepared& prepared, const std::vector<PolicyConfig>& policies, Progress& progress,
                            const std::string& folder, std::uint64_t seed, bool named, bool force) {
  if (progress.interrupted() && !progress.ours() && named && !force) {
    Diagnostic d{fmt::format("`{}` holds a validation of something else, which was interrupted", folder)};
    d.hint = "choose another folder with -o, or replace it with --force";
    return fail(std::move(d));
  }
  for (const PolicyConfig& policy : policies) {
    if (progress.ours() && progress.of(policy_label(policy))) continue;
    RunRequest run;
    run.folder = fmt::format("{}/{}-s{}", folder, policy_label(policy), seed);
    run.policy = policy;
    run.seed = seed;
    run.live = true;
    const LiveFolder begun(*run.folder);
    if (begun.exists() && (progress.interrupted() || force))
      if (auto ok = begun.discard(); !ok) return ok;
    if (named && !progress.ours())
      if (auto ok = claim_run_folder(prepared, run, true, force); !ok) return ok;
  }
  if (auto ok = live::make_folders(folder); !ok) return tl::make_unexpected(std::move(ok.error()));
  return progress.begin();
}

// What must be equal for a validation to go on where another stopped.
std::string what_is_validated(const Prepared& prepared, const std::vector<PolicyConfig>& policies, std::uint64_t seed,
                              const std::string& worker, const std::string& profile) {
  const std::string table = profile.empty() ? std::string() : live::read_file(profile).value_or("");
  return sha256_hex(fmt::format("{}\n{}\n{}\n{}\n{}", compare_digest(policies, 1, {&prepared}),
                                effective_yaml(prepared.scenario), seed, worker, sha256_hex(table)));
}

}  // namespace

int live_validate_action(const std::vector<std::string>& arguments) {
  Args args("orrery live validate SCENARIO [--policies a,b,c] [--profile FILE.csv] [-o DIR]", {"scenario"});
  args.options()("policies", taking<std::string>(), "which, in this order (default: compare.policies)")(
      "seed", taking<std::uint64_t>().otherwise(1), "seed of everything random")(
      "output,o", taking<std::string>(), "keep the run folders of the live runs in this folder")(
      "force", "replace the live runs that are in that folder")(
      "worker", taking<std::string>(), "worker program (default: orrery-paced beside orrery)")(
      "gate", taking<double>(),
      "gate in percent (default: 1; 3 where raised priority is refused or CPU pressure is above 60 %, and for jobs "
      "that really train)")("profile", taking<std::string>(),
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
  const std::string folder = args.text("output", fmt::format("{}/{}-validate", s.output_dir, s.name));
  for (const PolicyConfig& policy : *policies) {
    const LiveFolder own(fmt::format("{}/{}-s{}", folder, policy_label(policy), seed));
    if (auto ok = check_live(*prepared, own.jobs()); !ok) return report_error(ok.error());
  }
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
  Progress progress(folder, what_is_validated(*prepared, *policies, seed, *worker, args.text("profile")));
  if (progress.ours()) fmt::print(stderr, "goes on with the validation in {} that was interrupted\n", folder);
  if (auto ok = claim_folder(*prepared, *policies, progress, folder, seed, args.has("output"), args.has("force"));
      !ok)
    return report_error(ok.error());
  const bool real = may_train(*prepared);
  std::vector<report::Fidelity> all;
  bool passed = true, failed = false;
  double gate = 0;
  const report::Gated gated = real ? report::Gated::replayed : report::Gated::profiled;
  std::string verdict;
  for (const PolicyConfig& policy : *policies) {
    LiveRequest request;
    request.worker = *worker;
    request.view = live_screen(true);
    request.run.policy = policy;
    request.run.seed = seed;
    request.run.command = command_text("live validate", arguments);
    request.run.folder = fmt::format("{}/{}-s{}", folder, policy_label(policy), seed);
    bool good = false;
    // What really trains is not run twice: it takes minutes, and the reason for a miss is told.
    for (int attempt = 1; attempt <= (real ? 1 : 2) && !good; ++attempt) {
      std::optional<Validated> v = attempt == 1 ? progress.of(policy_label(policy)) : std::nullopt;
      if (v) {
        fmt::print(stderr, "{}: was live before the interruption\n", policy_label(policy));
      } else {
        fmt::print(stderr, "{}: live{}\n", policy_label(policy), attempt > 1 ? ", once more" : "");
        auto result = validate_policy(*prepared, request, promised ? &*promised : nullptr);
        if (!result) return report_error(result.error()), kRunFailed;
        v = *std::move(result);
      }
      if (v->interrupted) {
        // A run with a break in it has launches that no simulation of it has.
        fmt::print(stderr, "interrupted; the same command goes on: {} of {} policies are through, {} begins again\n",
                   all.size(), policies->size(), policy_label(policy));
        return kInterrupted;
      }
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
      if (!v->bad_ends.empty()) verdict += fmt::format("{}:\n{}", policy_label(policy), v->bad_ends);
      failed = failed || v->failed;
      if (auto ok = progress.add(policy_label(policy), *v); !ok) return report_error(ok.error()), kRunFailed;
    }
    passed = passed && good;
  }
  progress.end();
  if (!print(headline(*prepared) + "\n" + report::render_fidelity(all, gate, gated) + verdict)) return kRunFailed;
  return failed ? kFailedPoints : passed ? kOk : kGateFailed;
}

}  // namespace orrery::app
