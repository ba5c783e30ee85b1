// The counting path of the strict-priority fill (numbers of GPUs only) against its general path (every candidate
// placed for real): where both apply they choose the same jobs at the same times. Preemptions may differ: the
// general path moves jobs between GPUs, which the counting path never needs to.
#include <catch2/catch.hpp>

#include "sim/core/random.hpp"
#include "tests/support/world.hpp"

namespace {

using namespace orrery;
using namespace orrery::test;

// `count`, but not saying that it merely counts: policies must place for real.
class PlacedForReal final : public Placement {
 public:
  [[nodiscard]] std::string_view name() const override { return "count"; }
  [[nodiscard]] std::unique_ptr<Placement> clone() const override { return std::make_unique<PlacedForReal>(*this); }
  bool place(const Demand& demand, const Inventory& free, Allocation& out) override {
    return count_->place(demand, free, out);
  }

 private:
  OwnPlacement count_{make_placement("count", 1)};
};

RunResult run_general(const std::string& name, int nodes, const Workload& workload) {
  const PolicyInfo* info = find_policy(name);
  PolicySetup setup;
  setup.placement = std::make_unique<PlacedForReal>();
  OptionReader reader(name, {}, {}, info->options);
  const auto policy = info->make(std::move(setup), reader);
  return run_world(cluster(nodes, 4), workload, *policy, {}, false);
}

}  // namespace

TEST_CASE("the counting path and the general path choose alike", "[policies]") {
  RandomStream rng = stream(5, "tests/strict-priority");
  for (int round = 0; round < 60; ++round) {
    const int nodes = static_cast<int>(1 + uniform_below(rng, 4));
    std::vector<TinyJob> jobs;
    std::int64_t submit = 0;
    for (std::uint64_t n = 5 + uniform_below(rng, 40); n > 0; --n) {
      jobs.push_back({submit,
                      static_cast<std::int32_t>(1 + uniform_below(rng, static_cast<std::uint64_t>(4 * nodes))),
                      static_cast<std::int64_t>(1 + uniform_below(rng, 5000))});
      submit += static_cast<std::int64_t>(uniform_below(rng, 900));
    }
    const Workload workload = make_workload(jobs);
    for (const char* name : {"srtf", "srsf", "smallest", "tiresias"}) {
      INFO("round " << round << ", policy " << name);
      const auto policy = make_policy({name});
      const RunResult fast = run_world(cluster(nodes, 4), workload, *policy, {}, false);
      const RunResult general = run_general(name, nodes, workload);
      for (std::size_t i = 0; i < jobs.size(); ++i) {
        REQUIRE(fast.jobs[i].start_s == general.jobs[i].start_s);
        REQUIRE(fast.jobs[i].finish_s == general.jobs[i].finish_s);
      }
    }
  }
}
