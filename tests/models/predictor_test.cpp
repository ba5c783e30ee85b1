// What policies are told of speed: of shapes that no job has, of work that no job has done, and that nobody knows.
#include <catch2/catch.hpp>

#include "sim/models/network/network_model.hpp"
#include "sim/models/speed/performance.hpp"
#include "tests/support/world.hpp"

using namespace orrery;
using namespace orrery::test;

namespace {

Allocation on_node(std::uint32_t node, int gpus) {
  Allocation a;
  a.add({NodeId(node), kMilliPerGpu, GpuMask::first(gpus), 0, 0});
  return a;
}

// Knows how fast jobs are on one node.
class OneNode final : public PerformanceModel {
 public:
  [[nodiscard]] Speed speed(const JobSpec&, const Shape& shape, const RunConfig&,
                            std::span<const JobId>) const override {
    if (shape.where() != nullptr && shape.where()->nodes() > 1) return {{}, false};
    return {kUnitRate};
  }
  [[nodiscard]] std::string unknown(const JobSpec& spec, const Shape& shape, const RunConfig&) const override {
    return fmt::format("`{}` on {} nodes", spec.name, shape.where()->nodes());
  }
};

}  // namespace

TEST_CASE("a shape is an allocation, or so many GPUs packed", "[models][predictor]") {
  const Workload w = make_workload({{0, 4, 100}});
  const IdealModel ideal;
  const Allocation two = on_node(0, 2);
  CHECK(Shape(two).gpus() == 2);
  CHECK(Shape(two).milli_gpus() == 2000);
  CHECK(Shape::packed(2).where() == nullptr);
  CHECK(ideal.speed(w.specs[0], two, {}, {}).rate == Rate{500'000'000});
  CHECK(ideal.speed(w.specs[0], Shape::packed(2), {}, {}).rate == Rate{500'000'000});
  CHECK(ideal.speed(w.specs[0], Shape::packed(8), {}, {}).rate == Rate{2'000'000'000});
  CHECK_FALSE(ideal.work_of(w.specs[0]));
  CHECK(ideal.time_for(w.specs[0], Work{seconds(30).ns}, Shape::packed(8), {}) == seconds(15));
  CHECK(ideal.time_for(w.specs[0], Work{seconds(30).ns}, two, {}) == seconds(60));
  CHECK(ideal.time_for(w.specs[0], Work{1}, Shape::packed(0), {}) == kForever);
}

// Steps of 200 ms; 1 GB between two nodes at 10 GB/s: each sends 1 GB, 100 ms a step, where one node is alone.
TEST_CASE("a packed shape under links is as fast as those GPUs on as few nodes as can be", "[models][predictor]") {
  std::vector<NodeGroup> groups = cluster(2, 4);
  groups[0].nic_bytes_per_s = 10'000'000'000;
  const Topology topology(groups);
  const Workload w = make_workload({{0, 4, 100}});
  StepTraffic step;
  step.gradient_bytes = 1'000'000'000;
  const NetworkModel model(topology, w.specs, step, {});
  Allocation both = on_node(0, 4);
  both.add(on_node(1, 4).slices()[0]);
  CHECK(model.speed(w.specs[0], Shape::packed(4), {}, {}).rate == kUnitRate);
  CHECK(model.speed(w.specs[0], Shape::packed(8), {}, {}).rate == model.speed(w.specs[0], both, {}, {}).rate);
  CHECK(model.speed(w.specs[0], both, {}, {}).rate == Rate{1'333'333'333});  // twice the GPUs, 200 of 300 ms
}

TEST_CASE("a run ends where nobody knows how fast a job is, and says where that was", "[models][predictor]") {
  const Workload w = make_workload({{0, 2, 100}, {10, 6, 100}, {500, 1, 100}});
  const Topology topology(cluster(2, 4));
  const OneNode model;
  SimExecutor executor(topology, w, model, {});
  JobSource source(w.specs, [](const JobSpec& s) { return s.user_estimate; });
  const auto policy = make_policy({"fifo"});
  Controller controller(executor, *policy, source, w.specs, w.demands, model, {}, {});
  const RunOutcome outcome = controller.run();
  CHECK(outcome.status == RunStatus::broken);
  CHECK(outcome.why == "`j1` on 2 nodes");
  CHECK(outcome.ended == at_seconds(10));
  CHECK(outcome.unfinished == 3);
}

// What a policy can ask of the view, on a job that has done 40 of the 100 s that it is said to take.
TEST_CASE("what is left of a job follows from claims where no profile knows", "[models][predictor]") {
  const Workload w = make_workload({{0, 2, 100}, {0, 2, 100}});
  const Topology topology(cluster(1, 4));
  const IdealModel ideal;
  std::vector<JobRecord> records(2);
  for (std::size_t i = 0; i < 2; ++i) records[i].spec = &w.specs[i];
  records[0].estimate = Estimate{seconds(100)};
  records[0].done = Work{seconds(40).ns};
  const IdSet<JobId> none;
  ClusterView view(ViewTables{&records, &none, &none, &none, nullptr});
  view.topology = &topology;
  view.predict = &ideal;
  const JobView claimed = view.job(JobId(0)), silent = view.job(JobId(1));
  CHECK(view.work_after(claimed, claimed.done) == Work{seconds(60).ns});
  CHECK(view.work_after(claimed, Work{}) == Work{seconds(100).ns});
  CHECK(view.work_after(claimed, Work{seconds(200).ns}) == Work{1});  // it has outrun its claim
  CHECK(view.time_left(claimed, 4) == seconds(30));
  CHECK(view.time_for(claimed, Work{seconds(100).ns}, 1) == seconds(200));
  CHECK_FALSE(view.work_after(silent, Work{}));
  CHECK(view.time_left(silent, 2) == kForever);
}
