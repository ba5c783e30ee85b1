#include "scenarios/run/resample_runs.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <initializer_list>
#include <string_view>
#include <thread>

#include "scenarios/spec/make_policy.hpp"
#include "scenarios/spec/outside_policy.hpp"
#include "sim/core/random.hpp"
#include "traces/edit/resample.hpp"

namespace orrery::app {
namespace {

// One draw of the trace under every policy; the reason why there is no result, or "".
std::string run_draw(const ResampleRequest& r, const Resampler& resampler, int number, report::Resamples& out) {
  RandomStream random = stream(1, fmt::format("compare/resample/{}", number));
  const auto prepared = prepare_drawn(*r.scenario, *r.like, resampler.draw(random));
  if (!prepared) return prepared.error().items.front().message;
  for (std::size_t p = 0; p < r.policies.size(); ++p) {
    RunRequest request;
    request.policy = r.policies[p];
    request.seed = static_cast<std::uint64_t>(number) + 1;
    const auto report = simulate(*prepared, request);
    if (!report) return report.error().items.front().message;
    if (!report->failure.empty()) return report->failure;
    if (report->result.summary.finished == 0) return "no job finished";
    out.mean_jct_s[p][static_cast<std::size_t>(number)] = report->result.summary.mean_jct_s;
  }
  return {};
}

// Microseconds of one core per event of a run, set-up and tables included, on an ordinary machine; about twice what
// was measured on 200 and 2,000 jobs.
double event_cost_us(const Scenario& scenario, std::string_view policy) {
  const auto is_one_of = [policy](std::initializer_list<std::string_view> names) {
    return std::find(names.begin(), names.end(), policy) != names.end();
  };
  if (policy == kExternal) return 1000;  // another process
  if (scenario.performance) return is_one_of({"optimus", "themis", "titan"}) ? 1000 : 100;
  const double model = scenario.network ? 20 : 0;
  if (is_one_of({"fifo", "fjf", "sjf", "smallest", "lpjf", "qssf", "edf", "drf"})) return model + 1.5;
  return model + (is_one_of({"conservative", "titan"}) ? 10 : 3);
}

}  // namespace

bool draws_from_seed(const Scenario& effective, const PolicyConfig& policy) {
  const FailureConfig& f = effective.failures;
  return effective.workload.generate.has_value() || f.node_mtbf.ns > 0 || f.stragglers.node_mtbs.ns > 0 ||
         placement_of(policy, effective.emulate) == "random" || is_external(policy) || is_of_library(policy);
}

std::string no_resamples(const Scenario& scenario, const Trace& trace, const std::vector<PolicyConfig>& policies) {
  for (const PolicyConfig& c : policies)
    if (c.name == "scripted" && c.options.contains("file"))
      return "policy `scripted` names jobs and times of this very trace";
  for (const PolicyConfig& c : policies)
    if (is_external(c) && c.options.contains("conversation"))
      return "policy `external` plays back the conversation of this very trace";
  if (!scenario.failures.capacity.empty())
    return "`failures.capacity` was recorded along with time, and a trace drawn again in blocks has another order";
  return Resampler(trace).refused();
}

double resample_cost_s(const Scenario& scenario, const std::vector<PolicyConfig>& policies,
                       const std::vector<std::uint64_t>& events, int resamples) {
  double per_draw_us = scenario.performance ? 100'000 : 0;  // profiles are read again
  for (std::size_t p = 0; p < policies.size(); ++p)
    per_draw_us += static_cast<double>(events[p]) * event_cost_us(scenario, policies[p].name);
  return per_draw_us * resamples / 1e6;
}

report::Resamples run_resamples(const ResampleRequest& r) {
  const auto resamples = static_cast<std::size_t>(r.resamples);
  report::Resamples out;
  out.mean_jct_s.assign(r.policies.size(), std::vector<double>(resamples, 0.0));
  const Resampler resampler(*r.trace);
  out.block_jobs = resampler.block_jobs();
  std::vector<std::string> failures(resamples);
  std::atomic<int> next{0};
  const auto work = [&] {
    for (int k = next++; k < r.resamples; k = next++) {
      std::string& failure = failures[static_cast<std::size_t>(k)];
      try {
        failure = run_draw(r, resampler, k, out);
      } catch (const std::exception& e) {
        failure = e.what();
      }
      if (r.advance) r.advance();
    }
  };
  std::vector<std::thread> pool;
  for (unsigned t = 1; t < std::min<std::size_t>(r.threads, resamples); ++t) pool.emplace_back(work);
  work();
  for (std::thread& t : pool) t.join();
  for (std::size_t k = 0; k < resamples; ++k)
    if (!failures[k].empty() && out.refused.empty())
      out.refused = fmt::format("resample {} of the trace could not be run: {}", k + 1, failures[k]);
  return out;
}

}  // namespace orrery::app
