// `orrery run`: one scenario, one policy, one seed; prints what came out and leaves a run folder.
#include <fmt/format.h>

#include "scenarios/app/cli.hpp"
#include "scenarios/app/scenario_args.hpp"
#include "scenarios/report/table.hpp"
#include "scenarios/run/ended_badly.hpp"
#include "scenarios/run/output_folder.hpp"
#include "scenarios/spec/make_policy.hpp"

namespace orrery::app {
namespace {

std::string one_line(const std::string& policy, const Summary& s) {
  using report::human_duration;
  std::string out = fmt::format("{}: {} of {} jobs finished", policy, s.finished, s.jobs);
  if (s.failed > 0) out += fmt::format(", {} failed for good", s.failed);
  if (s.cancelled > 0) out += fmt::format(", {} cancelled", s.cancelled);
  if (s.rejected > 0) out += fmt::format(", {} rejected", s.rejected);
  if (s.finished > 0)
    out += fmt::format(
        ", mean JCT {}, median {}, p99 {}, mean wait {}, makespan {}, GPU use {:.1f} %, {} preemptions",
        human_duration(s.mean_jct_s), human_duration(s.p50_jct_s), human_duration(s.p99_jct_s),
        human_duration(s.mean_wait_s), human_duration(s.makespan_s), 100 * s.gpu_util_ratio, s.preemptions);
  return out + "\n";
}

std::string measured_line(const RunReport& r) {
  std::string out =
      fmt::format("simulated in {:.2f} s, {} events, {:.2f} s of it in the policy", r.wall_s, r.events, r.decision_s);
  if (r.decision_p50_s && r.decision_p99_s)
    out += fmt::format(" ({:.3g} us a decision, p99 {:.3g} us)", *r.decision_p50_s * 1e6, *r.decision_p99_s * 1e6);
  return out + "\n";
}

}  // namespace

int run_verb(const std::vector<std::string>& arguments) {
  Args args("orrery run SCENARIO [--policy NAME] [--seed N] [-o DIR]", {"scenario"});
  args.options()("policy", taking<std::string>(), "this policy instead of the scenario's (see `orrery policy list`)")(
      "seed", taking<std::uint64_t>().otherwise(1), "seed of everything random")(
      "output,o", taking<std::string>(), "run folder (default: output.dir/NAME-POLICY-sSEED)")(
      "force", "replace the run that is in the run folder")("json", "print the result as one JSON object")(
      "csv", "print the result as CSV")("no-output", "leave no run folder");
  add_scenario_options(args);
  args.at_most_one({"json", "csv"});
  if (const auto done = read_arguments(args, arguments)) return *done;
  auto scenario = scenario_from(args, args.text("policy"));
  if (!scenario) return report_error(scenario.error());
  if (args.has("print-config")) return print(effective_yaml(*scenario)) ? kOk : kRunFailed;
  const auto seed = args.get<std::uint64_t>("seed");
  auto prepared = prepare(std::move(*scenario), seed);
  if (!prepared) return report_error(prepared.error());
  const Scenario& s = prepared->scenario;
  const std::string label = policy_label(s.policy);

  RunRequest request;
  request.policy = s.policy;
  request.seed = seed;
  request.command = command_text("run", arguments);
  if (!args.has("no-output"))
    request.folder = args.text("output", fmt::format("{}/{}-{}-s{}", s.output_dir, s.name, label, seed));
  if (request.folder)
    if (auto ok = claim_run_folder(*prepared, request, args.has("output"), args.has("force")); !ok)
      return report_error(ok.error());
  auto report = simulate(*prepared, request);
  if (!report) return report_error(report.error());
  if (!report->failure.empty()) {
    fmt::print(stderr, "error: {}\n", report->failure);
    return exit_code_of(*report);
  }
  const bool machine = args.has("json") || args.has("csv");
  std::string out;
  if (args.has("json")) {
    out = report::render_json(label, report->result);
  } else if (args.has("csv")) {
    out = report::render_csv({{label, {report->result}}});
  } else {
    out = headline(*prepared) + "\n" + one_line(label, report->result.summary);
    out += ended_badly(*prepared, *report);
    for (const std::string& note : prepared->notes) out += fmt::format("  {}\n", note);
    if (request.folder)
      out += fmt::format("-> {} (digest {})\n", *request.folder, report->result_digest.substr(0, 16));
  }
  if (!print(out)) return kRunFailed;
  fmt::print(stderr, "{}", machine ? ended_badly(*prepared, *report) : measured_line(*report));
  return exit_code_of(report->result.summary);
}

}  // namespace orrery::app
