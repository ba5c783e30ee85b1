// What a decision costs does not grow with the queue: counted, not timed. Two worlds begin with the same jobs; in
// one, a hundred times as many wait behind them, all longer and later. Until the first jobs are done, a policy that
// looks at what it starts, and once at each class of demands, asks its placement as often in both, decision by
// decision.
#include <fmt/format.h>
#include <catch2/catch.hpp>

#include <algorithm>
#include <memory>
#include <set>
#include <vector>

#include "tests/support/world.hpp"

namespace {

using namespace orrery;
using namespace orrery::test;

class CountedPlacement final : public Placement {
 public:
  CountedPlacement(std::unique_ptr<Placement> placement, std::int64_t& asked)
      : placement_(std::move(placement)), asked_(&asked) {}
  [[nodiscard]] std::string_view name() const override { return placement_->name(); }
  bool place(const Demand& demand, const Inventory& free, Allocation& out) override {
    ++*asked_;
    return placement_->place(demand, free, out);
  }
  [[nodiscard]] std::uint64_t stream_state() const override { return placement_->stream_state(); }
  [[nodiscard]] bool counting() const override { return placement_->counting(); }
  [[nodiscard]] std::unique_ptr<Placement> clone() const override {
    return std::make_unique<CountedPlacement>(placement_->clone(), *asked_);
  }

 private:
  std::unique_ptr<Placement> placement_;
  std::int64_t* asked_;
};

struct SeenEnough {};

constexpr std::size_t kDecisions = 40;

std::vector<TinyJob> queue_of(int behind) {
  std::vector<TinyJob> jobs;
  for (int i = 0; i < 60; ++i) jobs.push_back({0, 1 << i % 3, 100 + 7 * i});
  for (int i = 0; i < behind; ++i) jobs.push_back({1, 1 << i % 3, 1'000'000 + i});
  return jobs;
}

// How often the placement was asked in each of the first decisions after the queue has come.
std::vector<std::int64_t> asked_by(const PolicyInfo& info, int behind) {
  const Workload workload = make_workload(queue_of(behind));
  std::int64_t asked = 0;
  PolicySetup setup;
  setup.placement = std::make_unique<CountedPlacement>(make_placement("consolidated", 1), asked);
  OptionReader options(std::string(info.name), {}, {}, info.options);
  const auto policy = info.make(std::move(setup), options);
  const Topology topology(cluster(4, 8));
  const IdealModel model;
  SimExecutor executor(topology, workload, model, {});
  JobSource source(workload.specs, [](const JobSpec& s) { return s.user_estimate; });
  std::vector<std::int64_t> counts;
  ControllerOptions control;
  control.on_decision = [&](bool begin) {
    if (begin) asked = 0;
    if (!begin) counts.push_back(asked);
    if (counts.size() == kDecisions) throw SeenEnough{};
  };
  Controller controller(executor, *policy, source, workload.specs, workload.demands, model, control, {});
  try {
    controller.run();
  } catch (const SeenEnough&) {
  }
  return counts;
}

}  // namespace

TEST_CASE("a decision costs the same whatever its queue", "[policies][conformance]") {
  for (const PolicyInfo& info : policy_table()) {
    if (info.name == "conservative") continue;  // promises each waiting job a place
    const auto few = asked_by(info, 30), many = asked_by(info, 3000);
    const auto most = [](const std::vector<std::int64_t>& counts) {
      return *std::max_element(counts.begin(), counts.end());
    };
    INFO(info.name << ": at most " << most(few) << " with a short queue, " << most(many) << " with a long one");
    CHECK(most(many) <= most(few));
    // What is behind never comes first, so every single decision is the same.
    if (info.name == "fifo" || info.name == "easy" || info.name == "gandiva") CHECK(few == many);
  }
}
