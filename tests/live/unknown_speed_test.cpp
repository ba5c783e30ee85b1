// A live run under profiles: a job that the policy puts where nobody knows how fast it is ends the run, as a
// simulated one, and no process is started for it.
#include <catch2/catch.hpp>

#include "tests/support/live_world.hpp"

namespace {

using namespace orrery;
using namespace orrery::test;

class KnowsFewGpus final : public PerformanceModel {
 public:
  [[nodiscard]] Speed speed(const JobSpec&, const Shape& shape, const RunConfig&,
                            std::span<const JobId>) const override {
    return {kUnitRate, shape.gpus() <= 2};
  }
  [[nodiscard]] std::string unknown(const JobSpec& spec, const Shape& shape, const RunConfig&) const override {
    return fmt::format("`{}` on {} GPUs", spec.name, shape.gpus());
  }
};

}  // namespace

TEST_CASE("live: a run ends where nobody knows how fast a job is", "[live]") {
  LiveWorld w;
  w.workload = make_workload({{0, 3, 20}});
  const Topology topology(w.groups);
  const KnowsFewGpus model;
  const auto executor = live_executor(w, topology, model);
  JobSource source(w.workload.specs, [](const JobSpec& s) { return s.user_estimate; });
  const auto policy = make_policy(w.policy);
  Controller controller(*executor, *policy, source, w.workload.specs, w.workload.demands, model, {}, {});
  const RunOutcome outcome = controller.run();
  CHECK(outcome.status == RunStatus::broken);
  CHECK(outcome.why == "`j0` on 3 GPUs");
  CHECK(executor->stop_all(seconds(1)) == 0);
}
