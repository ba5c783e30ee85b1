// `orrery compare`: one table of policies x seeds, in the form that is asked for.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <set>
#include <thread>

#include "scenarios/app/cli.hpp"
#include "scenarios/app/scenario_args.hpp"
#include "scenarios/report/progress.hpp"
#include "scenarios/report/table.hpp"
#include "scenarios/run/compare_runs.hpp"
#include "scenarios/run/ended_badly.hpp"
#include "scenarios/spec/make_policy.hpp"
#include "traces/format/text_file.hpp"

namespace orrery::app {
namespace {

// Jobs that were rejected or failed, run by run (of runs of one policy that say the same, the first); whether that
// makes the comparison one with failed points.
bool tell_bad_ends(const ComparePlan& plan) {
  bool bad = false;
  std::set<std::pair<std::size_t, std::string>> told;
  for (const ComparePoint& point : plan.points) {
    if (!point.report) continue;
    bad = bad || exit_code_of(point.report->result.summary) != kOk;
    const std::string text = ended_badly(plan.prepared_for(point), *point.report);
    if (text.empty() || !told.emplace(point.policy, text).second) continue;
    fmt::print(stderr, "{}, seed {}:\n{}", policy_label(plan.policies[point.policy]), plan.seed_of(point), text);
  }
  return bad;
}

std::size_t report_failures(const ComparePlan& plan) {
  std::size_t failed = 0;
  for (const ComparePoint& point : plan.points) {
    if (point.failure.empty()) continue;
    ++failed;
    fmt::print(stderr, "error: {}, seed {}: {}\n", policy_label(plan.policies[point.policy]), plan.seed_of(point),
               point.failure);
  }
  return failed;
}

// In the folder, where there is one; before anything is printed, since a reader of it may go away.
Expected<void> keep_tables(const std::string& folder,
                           const std::vector<std::pair<std::string, std::string>>& tables) {
  if (folder.empty()) return {};
  for (const auto& [name, text] : tables)
    if (auto ok = write_text_file(folder + "/" + name, text); !ok) return ok;
  return {};
}

std::string seeds_text(const ComparePlan& plan) {
  const auto seeds = static_cast<std::uint64_t>(plan.scenario.seeds);
  return fmt::format(", seeds {} to {}", plan.first_seed, plan.first_seed + seeds - 1);
}

// The table in the form that is asked for; kept in the folder as well, where there is one. An exit code.
int show(const ComparePlan& plan, const Args& args, const std::vector<report::CompareRow>& rows,
         const report::Comparison& comparison) {
  std::string notes, markdown_notes;
  for (const std::string& note : plan.notes) {
    notes += "  " + note + "\n";
    markdown_notes += "\n" + note + "\n";
  }
  const bool several =
      std::any_of(rows.begin(), rows.end(), [](const report::CompareRow& r) { return r.runs.size() > 1; });
  const std::string head = headline(plan.prepared.front()) + (several ? seeds_text(plan) : std::string()) + "\n";
  std::string out;
  if (args.has("json"))
    out = report::render_json(rows, comparison);
  else if (args.has("csv"))
    out = report::render_csv(rows, &comparison);
  else if (args.has("markdown"))
    out = report::render_markdown(rows, comparison) + markdown_notes;
  else
    out = head + "\n" + report::render_text(rows, comparison, report::terminal_style(1).colour) + notes;
  const Expected<void> kept = keep_tables(
      plan.folder, {{"compare.json", report::render_json(rows, comparison)},
                    {"compare.csv", report::render_csv(rows, &comparison)},
                    {"compare.md", head + "\n" + report::render_markdown(rows, comparison) + markdown_notes}});
  if (!print(out)) return kRunFailed;
  if ((args.has("json") || args.has("csv")) && !plan.seeds_note.empty()) fmt::print(stderr, "{}\n", plan.seeds_note);
  return kept ? kOk : report_error(kept.error());
}

int run_plan(ComparePlan& plan, const Args& args) {
  const auto start = std::chrono::steady_clock::now();
  if (auto ok = prepare_comparison(plan); !ok) return report_error(ok.error());
  run_points(plan);
  const std::size_t failed = report_failures(plan);
  const auto rows = rows_of(plan);
  if (rows.empty()) return kRunFailed;
  const report::Resamples resamples = resamples_of(plan);
  const auto kind = plan.generated() ? report::WorkloadKind::generated : report::WorkloadKind::recorded;
  const report::Comparison comparison = report::compare_rows(rows, kind, resamples, plan.scenario.intervals != 0);
  if (const int code = show(plan, args, rows, comparison); code != kOk) return code;
  std::size_t runs = plan.points.size();
  for (const std::vector<double>& draws : resamples.mean_jct_s) runs += draws.size();
  if (!args.has("json") && !args.has("csv") && !args.has("markdown"))
    fmt::print(stderr, "{} run{} in {:.2f} s on {} threads{}\n", runs, runs == 1 ? "" : "s",
               std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count(), plan.threads,
               plan.folder.empty() ? " (-o DIR keeps the tables of each)" : " -> " + plan.folder);
  return failed > 0 || tell_bad_ends(plan) ? kFailedPoints : kOk;
}

}  // namespace

int compare_verb(const std::vector<std::string>& arguments) {
  Args args("orrery compare SCENARIO [--policies a,b,c] [-j THREADS] [--seeds N] [--intervals none|N]", {"scenario"});
  args.options()("policies", taking<std::string>(), "which, in this order; ratios are to the first")(
      "seeds", taking<int>(), "seeds 1..N")("first-seed", taking<int>().otherwise(1), "N seeds from this one on")(
      "threads,j", taking<unsigned>(), "runs at the same time (default: cores)")(
      "intervals", taking<std::string>(),
      "draw a recorded trace again N times for its intervals, or none (default: 100 where that is cheap)")(
      "output,o", taking<std::string>(), "keep the run folder of every run, and the table, in this folder")(
      "force", "replace the other comparison that is in that folder")(
      "json", "print an array of objects, one per policy and seed")("csv", "print CSV, one line per policy and seed")(
      "markdown", "print the table as Markdown");
  add_scenario_options(args);
  args.at_most_one({"json", "csv", "markdown"});
  args.within("seeds", 1, 1'000'000);
  args.within("first-seed", 1, 1'000'000);
  args.within("threads", 1, 1024);
  if (const auto done = read_arguments(args, arguments)) return *done;
  auto scenario = scenario_from(args, "");
  if (!scenario) return report_error(scenario.error());
  if (args.has("seeds")) scenario->seeds = args.get<int>("seeds");
  if (args.has("intervals")) {
    const auto resamples = parse_intervals(args.text("intervals"));
    if (!resamples)
      return report_error(
          Error(Diagnostic{fmt::format("--intervals is `{}`; {}", args.text("intervals"), resamples.error())}));
    scenario->intervals = *resamples;
  }
  auto policies = chosen_policies(args, *scenario);
  if (!policies) return report_error(policies.error());
  if (args.has("print-config")) {
    scenario->compare_policies = *policies;
    return print(effective_yaml(*scenario)) ? kOk : kRunFailed;
  }
  ComparePlan plan;
  plan.scenario = std::move(*scenario);
  plan.policies = std::move(*policies);
  plan.first_seed = static_cast<std::uint64_t>(args.get<int>("first-seed"));
  plan.replace = args.has("force");
  plan.folder = args.text("output");
  plan.command = command_text("compare", arguments);
  const unsigned cores = std::max(1U, std::thread::hardware_concurrency());
  plan.threads = args.has("threads") ? args.get<unsigned>("threads") : cores;
  return run_plan(plan, args);
}

}  // namespace orrery::app
