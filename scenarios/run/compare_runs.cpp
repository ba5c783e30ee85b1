#include "scenarios/run/compare_runs.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <thread>
#include <utility>

#include "scenarios/report/progress.hpp"
#include "scenarios/report/table.hpp"
#include "scenarios/run/output_folder.hpp"
#include "scenarios/run/policy_failed.hpp"
#include "scenarios/run/resample_runs.hpp"
#include "scenarios/spec/make_policy.hpp"
#include "sim/core/joined.hpp"

namespace orrery::app {
namespace {

void run_point(const ComparePlan& plan, ComparePoint& point) {
  const Prepared& p = plan.prepared_for(point);
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

// Reads the trace, or makes one for every seed.
Expected<void> read_workloads(ComparePlan& plan) {
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
void plan_points(ComparePlan& plan) {
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

// The folder of this comparison, if one is asked for.
Expected<void> claim_comparison(const ComparePlan& plan) {
  if (plan.folder.empty()) return {};
  std::vector<std::string> names;
  for (const ComparePoint& point : plan.points)
    names.push_back(fmt::format("{}-s{}", policy_label(plan.policies[point.policy]), plan.seed_of(point)));
  std::vector<const Prepared*> prepared;
  for (const Prepared& p : plan.prepared) prepared.push_back(&p);
  const auto seeds = static_cast<std::size_t>(plan.scenario.seeds);
  return claim_compare_folder(plan.folder, compare_digest(plan.policies, seeds, prepared, plan.first_seed), names,
                              plan.replace);
}

// The policies that have a result, in the order of rows_of(), and what their first runs cost.
struct Compared {
  std::vector<PolicyConfig> policies;
  std::vector<std::uint64_t> events;
};

Compared compared_of(const ComparePlan& plan) {
  Compared done;
  for (std::size_t p = 0; p < plan.policies.size(); ++p) {
    const auto first = std::find_if(plan.points.begin(), plan.points.end(),
                                    [p](const ComparePoint& x) { return x.policy == p && x.report; });
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

}  // namespace

Expected<void> prepare_comparison(ComparePlan& plan) {
  if (auto ok = read_workloads(plan); !ok) return ok;
  plan_points(plan);
  return claim_comparison(plan);
}

void run_points(ComparePlan& plan) {
  report::Progress progress(plan.points.size(), report::terminal_style(2).redraws);
  std::atomic<std::size_t> next{0};
  const auto work = [&plan, &next, &progress] {
    for (std::size_t i = next++; i < plan.points.size(); i = next++) {
      ComparePoint& point = plan.points[i];
      run_point(plan, point);
      progress.advance(1, policy_label(plan.policies[point.policy]));
    }
  };
  std::vector<std::thread> pool;
  for (unsigned t = 1; t < std::min<std::size_t>(plan.threads, plan.points.size()); ++t) pool.emplace_back(work);
  work();
  for (std::thread& t : pool) t.join();
}

std::vector<report::CompareRow> rows_of(const ComparePlan& plan) {
  std::vector<report::CompareRow> rows;
  for (const PolicyConfig& c : plan.policies) rows.push_back({policy_label(c), {}});
  for (const ComparePoint& point : plan.points)
    if (point.report) rows[point.policy].runs.push_back(point.report->result);
  std::erase_if(rows, [](const report::CompareRow& r) { return r.runs.empty(); });
  return rows;
}

report::Resamples resamples_of(const ComparePlan& plan) {
  if (plan.generated() || plan.scenario.intervals == 0) return {};
  Compared done = compared_of(plan);
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

}  // namespace orrery::app
