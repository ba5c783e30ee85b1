// `orrery live validate`: each policy live, then simulated twice; how far the simulations were from it.
#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "scenarios/app/cli.hpp"
#include "scenarios/app/live_screen.hpp"
#include "scenarios/app/scenario_args.hpp"
#include "scenarios/report/fidelity.hpp"
#include "scenarios/run/live_folder.hpp"
#include "scenarios/run/live_tasks.hpp"
#include "scenarios/run/live_times.hpp"
#include "scenarios/run/validate.hpp"
#include "scenarios/spec/make_policy.hpp"

namespace orrery::app {

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
                            "table of `live calibrate`: what the simulation from profiles believes")(
      "json", "print an array of objects, one per policy; what is for people goes to stderr");
  args.within("gate", 0, 1000);
  add_scenario_options(args);
  if (const auto done = read_arguments(args, arguments)) return *done;
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
  ValidationProgress progress(folder, what_is_validated(*prepared, *policies, seed, *worker, args.text("profile")));
  if (progress.ours()) fmt::print(stderr, "goes on with the validation in {} that was interrupted\n", folder);
  if (auto ok = progress.claim(*prepared, *policies, seed, args.has("output"), args.has("force")); !ok)
    return report_error(ok.error());
  const bool real = may_train(*prepared);
  std::vector<report::Fidelity> all;
  std::vector<Validated> through;
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
    request.run.folder = progress.run_folder(policy, seed);
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
      if (attempt > 1) all.pop_back(), through.pop_back();
      all.push_back(v->fidelity);
      through.push_back(*v);
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
  const std::string text = headline(*prepared) + "\n" + report::render_fidelity(all, gate, gated) + verdict;
  if (args.has("json")) fmt::print(stderr, "{}", text);
  if (!print(args.has("json") ? validated_json(through) : text)) return kRunFailed;
  return failed ? kFailedPoints : passed ? kOk : kGateFailed;
}

}  // namespace orrery::app
