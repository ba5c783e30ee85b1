// `orrery compare`: policies x seeds on threads, one table. Every policy faces the same workload (common random
// numbers); the result does not depend on the number of threads, because each run is alone and results are put in
// their place by index. A recorded trace is then drawn again for its intervals, where that is asked for or cheap.
#include <fmt/format.h>

#include <atomic>
#include <chrono>
#include <set>
#include <thread>

#include "scenarios/app/cli.hpp"
#include "scenarios/app/scenario_args.hpp"
#include "scenarios/report/progress.hpp"
#include "scenarios/report/table.hpp"
#include "scenarios/run/ended_badly.hpp"
#include "scenarios/run/output_folder.hpp"
#include "scenarios/run/policy_failed.hpp"
#include "scenarios/run/resample_runs.hpp"
#include "scenarios/spec/make_policy.hpp"
#include "sim/core/joined.hpp"
#include "traces/format/text_file.hpp"

namespace orrery::app {
namespace {

struct Point {
  std::size_t policy = 0;
  std::size_t seed = 0;  // index; the seed itself is Plan::seed_of()
  std::optional<RunReport> report;
  std::string failure;
};

struct Plan {
  Scenario scenario;  // as read
  std::vector<PolicyConfig> policies;
  std::vector<Prepared> prepared;  // one, or one per seed when the workload is generated
  Trace trace;                     // recorded, as read and sliced; empty = no intervals are wanted
  std::vector<Point> points;
  std::vector<std::string> notes;
  std::string seeds_note;  // the one of them that machine-readable forms are too short of rows without
  std::string folder;      // empty = keep nothing
  std::string command;
  unsigned threads = 1;
  std::uint64_t first_seed = 1;
  [[nodiscard]] std::uint64_t seed_of(const Point& point) const { return first_seed + point.seed; }
  [[nodiscard]] bool generated() const { return scenario.workload.generate.has_value(); }
};

void run_point(const Plan& plan, Point& point) {
  const Prepared& p = plan.prepared[plan.prepared.size() == 1 ? 0 : point.seed];
  RunRequest request;
  request.policy = plan.policies[point.policy];
  request.seed = plan.seed_of(point);
  request.command = plan.command;
  if (!plan.folder.empty())
    request.folder = fmt::format("{}/{}-s{}", plan.folder, policy_label(request.policy), request.seed);
  try {
    auto report = simulate(p, request);
    if (!report)
      point.failure = failure_text(report.error());
    else if (point.failure = report->failure; point.failure.empty())
      point.report = std::move(*report);
  } catch (const std::exception& e) {
    point.failure = e.what();
  }
}

void run_points(Plan& plan) {
  report::Progress progress(plan.points.size(), report::terminal_style(2).redraws);
  std::atomic<std::size_t> next{0};
  const auto work = [&plan, &next, &progress] {
    for (std::size_t i = next++; i < plan.points.size(); i = next++) {
      Point& point = plan.points[i];
      run_point(plan, point);
      progress.advance(1, policy_label(plan.policies[point.policy]));
    }
  };
  std::vector<std::thread> pool;
  for (unsigned t = 1; t < std::min<std::size_t>(plan.threads, plan.points.size()); ++t) pool.emplace_back(work);
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
    fmt::print(stderr, "{}, seed {}:\n{}", policy_label(plan.policies[point.policy]), plan.seed_of(point), text);
  }
  return bad;
}

// Reads the trace, or makes one for every seed.
Expected<void> prepare_plan(Plan& plan) {
  const std::size_t workloads = plan.generated() ? static_cast<std::size_t>(plan.scenario.seeds) : 1;
  Trace* keep = plan.generated() || plan.scenario.intervals == 0 ? nullptr : &plan.trace;
  for (std::size_t i = 0; i < workloads; ++i) {
    auto prepared = prepare(plan.scenario, plan.first_seed + i, keep);
    if (!prepared) return tl::make_unexpected(std::move(prepared.error()));
    plan.prepared.push_back(std::move(*prepared));
  }
  plan.notes = plan.prepared.front().notes;
  return {};
}

// A policy under which nothing is drawn from the seed is run once, however many seeds are asked for.
void plan_points(Plan& plan) {
  const auto seeds = static_cast<std::size_t>(plan.scenario.seeds);
  std::vector<std::string> once;
  for (std::size_t p = 0; p < plan.policies.size(); ++p) {
    const bool draws = draws_from_seed(plan.prepared.front().scenario, plan.policies[p]);
    if (!draws) once.push_back(policy_label(plan.policies[p]));
    for (std::size_t k = 0; k < (draws ? seeds : 1); ++k) plan.points.push_back({p, k, std::nullopt, {}});
  }
  if (seeds == 1 || once.empty()) return;
  const bool all = once.size() == plan.policies.size();
  plan.seeds_note = fmt::format(
      "seeds: {} would give equal results{}, nothing draws from the seed (no generated workload, no failures or slow "
      "nodes by chance, no random placement): run once each",
      seeds, all ? "" : fmt::format(" under {}", joined(once, ", ")));
  plan.notes.push_back(plan.seeds_note);
}

// The policies that have a result, in the order of rows_of(), and what their first runs cost.
struct Done {
  std::vector<PolicyConfig> policies;
  std::vector<std::uint64_t> events;
};

Done done_of(const Plan& plan) {
  Done done;
  for (std::size_t p = 0; p < plan.policies.size(); ++p) {
    const auto first = std::find_if(plan.points.begin(), plan.points.end(),
                                    [p](const Point& x) { return x.policy == p && x.report; });
    if (first == plan.points.end()) continue;
    done.policies.push_back(plan.policies[p]);
    done.events.push_back(first->report->events);
  }
  return done;
}

report::Resamples refused(std::string why) {
  report::Resamples none;
  none.refused = std::move(why);
  return none;
}

// Draws of the recorded trace under all policies, or the reason why there are none.
report::Resamples resamples_of(const Plan& plan) {
  if (plan.generated() || plan.scenario.intervals == 0) return {};
  Done done = done_of(plan);
  if (std::string why = no_resamples(plan.scenario, plan.trace, done.policies); !why.empty())
    return refused(std::move(why));
  ResampleRequest request;
  if (plan.scenario.intervals != kIntervalsByCost) {
    request.resamples = plan.scenario.intervals;
  } else if (const double cost = resample_cost_s(plan.scenario, done.policies, done.events, request.resamples);
             cost > kCheapResamples_s) {
    return refused(
        fmt::format("{} draws of the trace under all policies are reckoned to take {} on one core, more than {:g} s; "
                    "`--intervals {}` makes them",
                    request.resamples, report::human_duration(cost), kCheapResamples_s, request.resamples));
  }
  report::Progress progress(static_cast<std::size_t>(request.resamples), report::terminal_style(2).redraws);
  request.scenario = &plan.scenario;
  request.like = &plan.prepared.front();
  request.trace = &plan.trace;
  request.policies = std::move(done.policies);
  request.threads = plan.threads;
  request.advance = [&progress] { progress.advance(1, "draws of the trace, for intervals"); };
  return run_resamples(request);
}

std::size_t report_failures(const Plan& plan) {
  std::size_t failed = 0;
  for (const Point& point : plan.points) {
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

std::string seeds_text(const Plan& plan) {
  const auto seeds = static_cast<std::uint64_t>(plan.scenario.seeds);
  return fmt::format(", seeds {} to {}", plan.first_seed, plan.first_seed + seeds - 1);
}

// The table in the form that is asked for; kept in the folder as well, where there is one. An exit code.
int show(const Plan& plan, const Args& args, const std::vector<report::CompareRow>& rows,
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

// The folder of this comparison, if one is asked for.
Expected<void> claim_folder(const Plan& plan, bool force) {
  if (plan.folder.empty()) return {};
  std::vector<std::string> names;
  for (const Point& point : plan.points)
    names.push_back(fmt::format("{}-s{}", policy_label(plan.policies[point.policy]), plan.seed_of(point)));
  std::vector<const Prepared*> prepared;
  for (const Prepared& p : plan.prepared) prepared.push_back(&p);
  const auto seeds = static_cast<std::size_t>(plan.scenario.seeds);
  return claim_compare_folder(plan.folder, compare_digest(plan.policies, seeds, prepared, plan.first_seed), names,
                              force);
}

int run_plan(Plan& plan, const Args& args) {
  const auto start = std::chrono::steady_clock::now();
  if (auto ok = prepare_plan(plan); !ok) return report_error(ok.error());
  plan_points(plan);
  if (auto ok = claim_folder(plan, args.has("force")); !ok) return report_error(ok.error());
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
  if (auto ok = args.parse(arguments); !ok) return report_error(ok.error());
  if (args.wants_help()) return print(args.help()) ? kOk : kRunFailed;
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
  Plan plan;
  plan.scenario = std::move(*scenario);
  plan.policies = std::move(*policies);
  plan.first_seed = static_cast<std::uint64_t>(args.get<int>("first-seed"));
  plan.folder = args.text("output");
  plan.command = command_text("compare", arguments);
  const unsigned cores = std::max(1U, std::thread::hardware_concurrency());
  plan.threads = args.has("threads") ? args.get<unsigned>("threads") : cores;
  return run_plan(plan, args);
}

}  // namespace orrery::app
