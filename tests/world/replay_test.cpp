// Decision replay of clean runs: every policy, a fresh object, a fresh state, no executor that knows the truth.
#include <catch2/catch.hpp>

#include "tests/support/chaos_world.hpp"
#include "tests/support/effort.hpp"

namespace {

using namespace orrery;
using namespace orrery::test;

// Decides differently from the policy it wraps, once.
class Deviating final : public Policy {
 public:
  explicit Deviating(std::unique_ptr<Policy> inner) : inner_(std::move(inner)) {}
  void schedule(const ClusterView& view, PlanBuilder& plan) override {
    if (++calls_ != 3) inner_->schedule(view, plan);
  }

 private:
  std::unique_ptr<Policy> inner_;
  int calls_ = 0;
};

Verdict record(const ChaosWorld& w, const std::string& policy, std::uint64_t take_over_at, Recording& recording) {
  const Topology topology(w.groups);
  const IdealModel model;
  SimExecutor world(topology, w.workload, model, chaos_sim_options());
  RecordingExecutor recorder(world, recording);
  return run_on(
      recorder, w,
      [&] {
        return make_policy({policy, w.placement});
      },
      take_over_at, true);
}

}  // namespace

TEST_CASE("a recorded run replays to the same decisions", "[replay]") {
  std::size_t turn = 0;
  for (const PolicyInfo& info : policy_table()) {
    for (const std::size_t draw : some_of(20, turn++)) {
      const std::uint64_t seed = 1 + draw;
      const ChaosWorld w = chaos_world(seed);
      for (const std::uint64_t take_over_at : {std::uint64_t{0}, std::uint64_t{1}, 3 + seed}) {
        INFO("policy " << info.name << ", seed " << seed << ", taken over at " << take_over_at);
        Recording recording;
        const std::string name(info.name);
        const Verdict live = record(w, name, take_over_at, recording);
        REQUIRE(live.outcome.status == RunStatus::completed);
        REQUIRE(live.violations.empty());
        const Topology topology(w.groups);
        ReplayExecutor replay(topology, recording);
        const auto make = [&] { return make_policy({name, w.placement}); };
        const Verdict again = run_on(replay, w, make, take_over_at, true);
        REQUIRE(again.fingerprint == live.fingerprint);
      }
    }
  }
}

TEST_CASE("a policy that decides otherwise is caught by the replay", "[replay]") {
  const ChaosWorld w = chaos_world(4);
  Recording recording;
  const Verdict live = record(w, "fifo", 0, recording);
  const Topology topology(w.groups);
  ReplayExecutor replay(topology, recording);
  const auto make = [&]() -> std::unique_ptr<Policy> {
    return std::make_unique<Deviating>(make_policy({"fifo", w.placement}));
  };
  bool caught = false;
  try {
    caught = run_on(replay, w, make, 0, true).fingerprint != live.fingerprint;
  } catch (const AssertionFailed&) {
    caught = true;
  }
  CHECK(caught);
}
