// What a job is started with where that is not what it asks for itself, and that "does not fit" is asked once.
#include <catch2/catch.hpp>

#include "tests/support/world.hpp"

namespace {

using namespace orrery;
using namespace orrery::test;

// Counts how often it is asked.
class Counted final : public Placement {
 public:
  [[nodiscard]] std::string_view name() const override { return "counted"; }
  bool place(const Demand& demand, const Inventory& free, Allocation& out) override {
    asked.push_back(demand);
    return inner_->place(demand, free, out);
  }
  [[nodiscard]] std::unique_ptr<Placement> clone() const override { return std::make_unique<Counted>(); }
  std::vector<Demand> asked;

 private:
  std::unique_ptr<Placement> inner_ = make_placement("consolidated", 1);
};

struct Asked {
  Workload w;
  std::vector<JobRecord> records;
  Topology topology;
  Inventory planned{topology};
  Counted placement;
  PlanBuilder plan{records, w.demands, planned};

  explicit Asked(const std::vector<NodeGroup>& groups) : w(make_workload({})), topology(groups) {
    for (std::uint32_t i = 0; i < 4; ++i) {
      JobSpec s;
      s.id = JobId(i);
      s.demand.gpus = 4;
      s.demand.cpu_milli = 9'000;
      s.demand_class = w.demands.intern(s.demand);
      w.specs.push_back(s);
    }
    records.resize(w.specs.size());
    for (const JobSpec& s : w.specs) records[s.id.index()].spec = &s;
    plan.begin(Time{});
  }
};

std::vector<NodeGroup> nodes_of_two_types() {
  NodeGroup a = cluster(1, 2)[0], b = cluster(1, 4)[0];
  a.gpu = "a";
  b.gpu = "b";
  a.cpu_milli = b.cpu_milli = 64'000;
  return {a, b};
}

}  // namespace

TEST_CASE("ask: fewer GPUs, of some types, with a configuration", "[plan]") {
  Asked x(nodes_of_two_types());
  RunConfig config;
  config.batch = 64;
  REQUIRE(x.plan.start(JobId(0), x.placement, {.gpus = 2, .types = 0b10, .config = config}));
  CHECK(x.placement.asked.back().cpu_milli == 4'500);
  REQUIRE(x.plan.start(JobId(1), x.placement, {.gpus = 1}));
  CHECK(x.placement.asked.back().cpu_milli == 2'250);
  const Plan& plan = x.plan.finish();
  REQUIRE(plan.targets.size() == 2);
  CHECK(plan.targets[0].second.gpus.to_string() == "n1:0-1");
  CHECK(plan.targets[0].second.config == config);
  CHECK(plan.targets[1].second.config == RunConfig{});
}

// What does not fit is asked once for all jobs that ask for the same, however they come to.
TEST_CASE("ask: what does not fit is remembered by what was asked for", "[plan]") {
  Asked x(nodes_of_two_types());
  REQUIRE(x.plan.start(JobId(0), x.placement));  // all of the node with four
  for (int round = 0; round < 3; ++round) {
    CHECK_FALSE(x.plan.start(JobId(1), x.placement));
    CHECK_FALSE(x.plan.start(JobId(2), x.placement, {.gpus = 4}));  // the same as its own
    CHECK_FALSE(x.plan.start(JobId(3), x.placement, {.gpus = 3}));
    CHECK_FALSE(x.plan.start(JobId(2), x.placement, {.gpus = 3}));
    CHECK_FALSE(x.plan.start(JobId(3), x.placement, {.gpus = 2, .types = 0b10}));
  }
  CHECK(x.placement.asked.size() == 1 + 3);
  CHECK(x.plan.start(JobId(1), x.placement, {.gpus = 2}));
  x.plan.preempt(JobId(0));  // now they are asked for again
  CHECK(x.plan.start(JobId(3), x.placement, {.gpus = 3}));
}
