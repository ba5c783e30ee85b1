#include "scenarios/run/simulate.hpp"

#include <utility>

#include "scenarios/run/run_parts.hpp"
#include "scenarios/run/run_policy.hpp"
#include "sim/core/assert.hpp"
#include "sim/world/sim_executor.hpp"

namespace orrery::app {
namespace {

SimOptions sim_options(const Prepared& p, const RunRequest& request) {
  SimOptions o;
  if (request.measured != nullptr) {
    o.overheads = request.measured->overheads;
    return o;
  }
  const FailureConfig& f = p.scenario.failures;
  o.failures = {f.node_mtbf, f.repair, request.seed, p.outages, f.stragglers, f.lemons};
  o.checkpoints = {p.scenario.checkpoints.every, p.scenario.checkpoints.cost, p.scenario.checkpoints.costs};
  o.publishes = {static_cast<std::int32_t>(p.scenario.publish.every_per_mille), p.scenario.publish.cost};
  o.overheads = overhead_model(p.scenario.overheads);
  if (p.emulation != nullptr && p.emulation->progress != nullptr) o.rule = p.emulation->progress(request.policy.name);
  return o;
}

RunReport failed_run(std::uint64_t seed, std::string why) {
  RunReport report;
  report.result.seed = seed;
  report.failure = std::move(why);
  return report;
}

}  // namespace

Expected<RunReport> simulate(const Prepared& prepared, const RunRequest& request) {
  set_assertion_seed(request.seed);
  auto policy = RunPolicy::make(prepared, request.policy, request.seed);
  if (!policy) return tl::make_unexpected(std::move(policy.error()));
  if (!policy->failure().empty()) return failed_run(request.seed, policy->failure());
  auto parts = RunParts::make(prepared, request);
  if (!parts) return tl::make_unexpected(std::move(parts.error()));
  RunParts& p = **parts;
  if (const auto path = p.path(kConversationFile); path && policy->converses()) policy->record(*path);
  std::optional<MeasuredModel> measured;
  if (request.measured != nullptr) measured.emplace(*request.measured, *prepared.topology);
  std::optional<NetworkModel> network;
  const auto& links = prepared.scenario.network;
  if (links && !measured) network.emplace(*prepared.topology, prepared.workload.specs, links->step, links->models);
  const PerformanceModel& believed = network ? static_cast<const PerformanceModel&>(*network) : p.model();
  const PerformanceModel& truth = measured ? static_cast<const PerformanceModel&>(*measured) : believed;
  SimOptions options = sim_options(prepared, request);
  if (network && links->contention) options.network = &*network;
  p.watch_work(truth, options);
  SimExecutor executor(*prepared.topology, prepared.workload, truth, std::move(options));
  Controller controller(executor, policy->get(), p.source, prepared.workload.specs, prepared.workload.demands,
                        believed, p.controller_options(policy->capabilities()), p.observers());
  RunReport report = p.run(controller);
  if (auto ok = policy->finish(); !ok) return tl::make_unexpected(std::move(ok.error()));
  auto digest = p.write(report);
  if (!digest) return tl::make_unexpected(std::move(digest.error()));
  report.result_digest = *std::move(digest);
  return report;
}

}  // namespace orrery::app
