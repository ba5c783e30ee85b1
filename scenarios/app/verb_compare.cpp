// `orrery compare`: policies x seeds on threads, one table. Every policy faces the same workload (common random
// numbers); the result does not depend on the number of threads, because each run is alone and results are put in
// their place by index.
#include <fmt/format.h>

#include <atomic>
#include <chrono>
#include <set>
#include <thread>

#include "scenarios/app/cli.hpp"
#include "scenarios/app/ended_badly.hpp"
#include "scenarios/app/make_policy.hpp"
#include "scenarios/app/output_folder.hpp"
#include "scenarios/app/scenario_args.hpp"
#include "scenarios/report/progress.hpp"
#include "scenarios/report/table.hpp"
#include "traces/text_file.hpp"

namespace orrery::app {
namespace po = boost::program_options;
namespace {

struct Point {
  std::size_t policy = 0;
  std::size_t seed = 0;  // index; the seed itself is one more
  std::optional<RunReport> report;
  std::string failure;
};

struct Plan {
  std::vector<PolicyConfig> policies;
  std::vector<Prepared> prepared;  // one, or one per seed when the workload is generated
  std::vector<Point> points;
  std::string folder;  // empty = keep nothing
  std::string command;
};

void run_point(const Plan& plan, Point& point) {
  const Prepared& p = plan.prepared[plan.prepared.size() == 1 ? 0 : point.seed];
  RunRequest request;
  request.policy = plan.policies[point.policy];
  request.seed = point.seed + 1;
  request.command = plan.command;
  if (!plan.folder.empty())
    request.folder = fmt::format("{}/{}-s{}", plan.folder, policy_label(request.policy), request.seed);
  try {
    auto report = simulate(p, request);
    if (!report)
      point.failure = render(report.error());
    else if (point.failure = report->failure; point.failure.empty())
      point.report = std::move(*report);
  } catch (const std::exception& e) {
    point.failure = e.what();
  }
}

void run_points(Plan& plan, unsigned threads, report::Progress& progress) {
  std::atomic<std::size_t> next{0};
  const auto work = [&plan, &next, &progress] {
    for (std::size_t i = next++; i < plan.points.size(); i = next++) {
      Point& point = plan.points[i];
      run_point(plan, point);
      progress.advance(1, policy_label(plan.policies[point.policy]));
    }
  };
  std::vector<std::thread> pool;
  for (unsigned t = 1; t < std::min<std::size_t>(threads, plan.points.size()); ++t) pool.emplace_back(work);
  work();
  for (std::thread& t : pool) t.join();
}

std::vector<report::CompareRow> rows_of(const Plan& plan) {
  std::vector<report::CompareRow> rows;
  for (const PolicyConfig& c : plan.policies) rows.push_back({policy_label(c), {}});
  for (const Point& point : plan.points)
    if (point.report) rows[point.policy].runs.push_back(point.report->result);
  std::erase_if(rows, [](const report::CompareRow& r) { return r.runs.empty(); });
  return rows;
}

// Jobs that were rejected or failed, run by run (of runs of one policy that say the same, the first); whether that
// makes the comparison one with failed points.
bool tell_bad_ends(const Plan& plan) {
  bool bad = false;
  std::set<std::pair<std::size_t, std::string>> told;
  for (const Point& point : plan.points) {
    if (!point.report) continue;
    bad = bad || exit_code_of(point.report->result.summary) != kOk;
    const std::string text = ended_badly(plan.prepared[plan.prepared.size() == 1 ? 0 : point.seed], *point.report);
    if (text.empty() || !told.emplace(point.policy, text).second) continue;
    fmt::print(stderr, "{}, seed {}:\n{}", policy_label(plan.policies[point.policy]), point.seed + 1, text);
  }
  return bad;
}

}  // namespace

int compare_verb(const std::vector<std::string>& arguments) {
  Args args("orrery compare SCENARIO [--policies a,b,c] [-j THREADS] [--seeds N]", {"scenario"});
  args.options()("policies", po::value<std::string>(), "which, in this order; ratios are to the first")(
      "seeds", po::value<int>(), "seeds 1..N")("threads,j", po::value<unsigned>(),
                                               "runs at the same time (default: cores)")(
      "output,o", po::value<std::string>(), "keep the run folder of every run, and the table, in this folder")(
      "force", "replace the other comparison that is in that folder")(
      "json", "print an array of objects, one per policy and seed")("csv", "print CSV, one line per policy and seed")(
      "markdown", "print the table as Markdown");
  add_scenario_options(args);
  args.at_most_one({"json", "csv", "markdown"});
  if (auto ok = args.parse(arguments); !ok) return report_error(ok.error());
  if (args.wants_help()) return print(args.help()) ? kOk : kRunFailed;
  auto scenario = scenario_from(args, "");
  if (!scenario) return report_error(scenario.error());
  if (args.has("seeds")) scenario->seeds = args.get<int>("seeds");
  if (scenario->seeds < 1) return report_error(Error(Diagnostic{"--seeds must be at least 1"}));
  auto policies = chosen_policies(args, *scenario);
  if (!policies) return report_error(policies.error());
  if (args.has("print-config")) {
    scenario->compare_policies = *policies;
    return print(effective_yaml(*scenario)) ? kOk : kRunFailed;
  }

  const auto start = std::chrono::steady_clock::now();
  Plan plan;
  plan.policies = std::move(*policies);
  plan.folder = args.text("output");
  plan.command = command_text("compare", arguments);
  const auto seeds = static_cast<std::size_t>(scenario->seeds);
  const std::size_t workloads = scenario->workload.generate ? seeds : 1;
  for (std::size_t i = 0; i < workloads; ++i) {
    auto prepared = prepare(*scenario, i + 1);
    if (!prepared) return report_error(prepared.error());
    plan.prepared.push_back(std::move(*prepared));
  }
  for (std::size_t p = 0; p < plan.policies.size(); ++p)
    for (std::size_t k = 0; k < seeds; ++k) plan.points.push_back({p, k, std::nullopt, {}});
  if (!plan.folder.empty()) {
    std::vector<std::string> names;
    for (const Point& point : plan.points)
      names.push_back(fmt::format("{}-s{}", policy_label(plan.policies[point.policy]), point.seed + 1));
    if (auto ok = claim_compare_folder(plan.folder, compare_digest(plan.policies, seeds, plan.prepared), names,
                                       args.has("force"));
        !ok)
      return report_error(ok.error());
  }
  const unsigned cores = std::max(1U, std::thread::hardware_concurrency());
  const unsigned threads = args.has("threads") ? std::max(1U, args.get<unsigned>("threads")) : cores;
  {
    report::Progress progress(plan.points.size(), report::terminal_style(2).redraws);
    run_points(plan, threads, progress);
  }

  std::size_t failed = 0;
  for (const Point& point : plan.points) {
    if (point.failure.empty()) continue;
    ++failed;
    fmt::print(stderr, "error: {}, seed {}: {}\n", policy_label(plan.policies[point.policy]), point.seed + 1,
               point.failure);
  }
  const auto rows = rows_of(plan);
  if (rows.empty()) return kRunFailed;
  const auto kind = scenario->workload.generate ? report::Workload::generated : report::Workload::recorded;
  const report::Comparison comparison = report::compare_rows(rows, kind, 1);
  std::string notes, markdown_notes;
  for (const std::string& note : plan.prepared.front().notes) {
    notes += "  " + note + "\n";
    markdown_notes += "\n" + note + "\n";
  }
  const std::string head =
      headline(plan.prepared.front()) + (seeds > 1 ? fmt::format(", seeds 1 to {}", seeds) : std::string()) + "\n";
  std::string out;
  if (args.has("json"))
    out = report::render_json(rows);
  else if (args.has("csv"))
    out = report::render_csv(rows);
  else if (args.has("markdown"))
    out = report::render_markdown(rows, comparison) + markdown_notes;
  else
    out = head + "\n" + report::render_text(rows, comparison, report::terminal_style(1).colour) + notes;
  if (!print(out)) return kRunFailed;
  if (!plan.folder.empty()) {
    for (const auto& [name, text] :
         {std::pair{"compare.json", report::render_json(rows)}, std::pair{"compare.csv", report::render_csv(rows)},
          std::pair{"compare.md", head + "\n" + report::render_markdown(rows, comparison) + markdown_notes}})
      if (auto ok = write_text_file(plan.folder + "/" + name, text); !ok) return report_error(ok.error());
  }
  if (!args.has("json") && !args.has("csv") && !args.has("markdown"))
    fmt::print(stderr, "{} runs in {:.2f} s on {} threads{}\n", plan.points.size(),
               std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count(), threads,
               plan.folder.empty() ? " (-o DIR keeps the tables of each)" : " -> " + plan.folder);
  return failed > 0 || tell_bad_ends(plan) ? kFailedPoints : kOk;
}

}  // namespace orrery::app
