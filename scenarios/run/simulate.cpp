#include "scenarios/run/simulate.hpp"

#include <utility>

#include "scenarios/run/run_controller.hpp"
#include "scenarios/run/run_output.hpp"
#include "scenarios/run/run_policy.hpp"
#include "scenarios/run/run_record.hpp"
#include "scenarios/run/sim_world.hpp"
#include "sim/core/assert.hpp"

namespace orrery::app {
namespace {

RunReport failed_run(std::uint64_t seed, std::string why) {
  RunReport report;
  report.result.seed = seed;
  report.failure = std::move(why);
  return report;
}

}  // namespace

Expected<RunReport> simulate(const Prepared& prepared, const RunRequest& request) {
  set_assertion_seed(request.seed);
  const std::string kept = request.folder ? conversation_beside(*request.folder) : std::string();
  auto policy = RunPolicy::make(prepared, request.policy, request.seed, "", kept);
  if (!policy) return tl::make_unexpected(std::move(policy.error()));
  if (!policy->failure().empty()) return failed_run(request.seed, policy->failure());
  const SimWorld world(prepared, request, policy->get().publishes());
  RunRecord record(prepared, request);
  record.watch_work(world.truth(), world.options());
  auto output = RunOutput::open(prepared, request, record);
  if (!output) return tl::make_unexpected(std::move(output.error()));
  if (const auto path = output->path(kConversationFile); path && policy->converses()) policy->record(*path, false);
  SimExecutor executor(*prepared.topology, prepared.workload, world.truth(), world.options());
  RunReport report =
      run_controller(prepared, request, {executor, *policy, world.believed()}, record, output->observers());
  if (!report.failure.empty()) policy->keep(report.failure);
  if (auto ok = policy->finish(); !ok) return tl::make_unexpected(std::move(ok.error()));
  auto digest = output->write(report);
  if (!digest) return tl::make_unexpected(std::move(digest.error()));
  report.result_digest = *std::move(digest);
  return report;
}

}  // namespace orrery::app
