// PlanBuilder as an overlay: what is tried and taken back leaves no trace; what leads back to the standing target is
// no change; "does not fit" is forgotten when something is released.
#include <catch2/catch.hpp>

#include "tests/support/world.hpp"

namespace {

using namespace orrery;
using namespace orrery::test;

struct Desk {
  explicit Desk(const std::vector<TinyJob>& jobs)
      : workload(make_workload(jobs)), topology(cluster(2, 4)), planned(topology), records(workload.specs.size()) {
    for (std::size_t i = 0; i < records.size(); ++i) {
      records[i].spec = &workload.specs[i];
      records[i].state = JobState::pending;
      records[i].known = records[i].ready = true;
    }
    builder.emplace(records, workload.demands, planned);
    builder->begin(Time{});
  }
  [[nodiscard]] std::string snapshot() const {
    std::string out;
    for (std::uint32_t n = 0; n < 2; ++n) out += fmt::format("{:x} ", planned.free_mask(NodeId(n)).low_word());
    return out + std::to_string(planned.free_gpus());
  }
  Workload workload;
  Topology topology;
  Inventory planned;
  std::vector<JobRecord> records;
  std::optional<PlanBuilder> builder;
  std::unique_ptr<Placement> count = make_placement("count", 1);
};

}  // namespace

TEST_CASE("rollback restores the inventory and the plan", "[core]") {
  Desk d({{0, 2, 1}, {0, 4, 1}, {0, 3, 1}});
  REQUIRE(d.builder->start(JobId(0), *d.count));
  const std::string before = d.snapshot();
  const PlanBuilder::Mark mark = d.builder->mark();
  REQUIRE(d.builder->start(JobId(1), *d.count));
  d.builder->preempt(JobId(0));
  REQUIRE(d.builder->start(JobId(2), *d.count));
  d.builder->rollback(mark);
  CHECK(d.snapshot() == before);
  CHECK(d.builder->planned(JobId(1)) == nullptr);
  REQUIRE(d.builder->planned(JobId(0)) != nullptr);
  CHECK(d.builder->finish().targets.size() == 1);
}

TEST_CASE("leading back to the standing target is no change", "[core]") {
  Desk d({{0, 2, 1}, {0, 4, 1}});
  REQUIRE(d.builder->start(JobId(0), *d.count));
  const Plan first = d.builder->finish();
  REQUIRE(first.targets.size() == 1);
  d.records[0].has_target = true;
  d.records[0].target = first.targets[0].second;
  d.builder->begin(Time{1});
  const Allocation where = *d.builder->planned(JobId(0));
  d.builder->preempt(JobId(0));
  REQUIRE(d.builder->run(JobId(0), where));
  CHECK(d.builder->finish().targets.empty());
}

TEST_CASE("a misfit is remembered until something is released", "[core]") {
  Desk d({{0, 8, 1}, {0, 3, 1}, {0, 3, 1}});
  REQUIRE(d.builder->start(JobId(0), *d.count));
  CHECK_FALSE(d.builder->start(JobId(1), *d.count));
  CHECK_FALSE(d.builder->start(JobId(2), *d.count));
  d.builder->preempt(JobId(0));
  CHECK(d.builder->start(JobId(2), *d.count));
}

TEST_CASE("run refuses GPUs that another job is promised", "[core]") {
  Desk d({{0, 2, 1}, {0, 2, 1}});
  REQUIRE(d.builder->start(JobId(0), *d.count));
  const Allocation taken = *d.builder->planned(JobId(0));
  CHECK_FALSE(d.builder->run(JobId(1), taken));
  CHECK(d.builder->run(JobId(0), taken));
  CHECK(d.builder->planned(JobId(1)) == nullptr);
}
