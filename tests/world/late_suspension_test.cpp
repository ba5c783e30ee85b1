// Suspensions that take effect a while after they were asked for, as those of real processes do: the gang works on,
// and may end meanwhile. The simulated executor suspends at once, so this is the only place where policies meet it.
#include <algorithm>
#include <catch2/catch.hpp>
#include <vector>

#include "sim/core/random.hpp"
#include "tests/support/effort.hpp"
#include "tests/support/world.hpp"

namespace {

using namespace orrery;
using namespace orrery::test;

class LateSuspension final : public Executor {
 public:
  LateSuspension(Executor& inner, Duration late) : inner_(&inner), late_(late) {}
  [[nodiscard]] Time now() const override { return inner_->now(); }
  [[nodiscard]] const Topology& describe() override { return inner_->describe(); }
  void launch(const LaunchRequest& request) override { inner_->launch(request); }
  void stop(GangId g, const Member& m, StopHow how, Duration grace) override {
    if (how != StopHow::suspend) return inner_->stop(g, m, how, grace);
    asked_.push_back({now() + late_, g, m});
  }
  void resume(GangId g, const Member& m) override { inner_->resume(g, m); }
  void command(GangId g, const Member& m, const Command& c) override { inner_->command(g, m, c); }
  [[nodiscard]] std::span<const Event> wait_until(Time deadline) override {
    for (;;) {
      const Time due = asked_.empty() ? kNever : asked_.front().at;  // the delay is the same for all: in order
      const auto events = inner_->wait_until(std::min(deadline, due));
      if (!events.empty() || asked_.empty() || now() < due) return events;
      inner_->stop(asked_.front().gang, asked_.front().member, StopHow::suspend, {});
      asked_.erase(asked_.begin());
    }
  }

 private:
  struct Asked {
    Time at{};
    GangId gang{};
    Member member{};
  };
  Executor* inner_;
  Duration late_;
  std::vector<Asked> asked_;
};

}  // namespace

// Gandiva once planned the next member of a slot before it had followed that member's own end in the same batch.
TEST_CASE("gandiva: members of a slot may end while they are being suspended", "[exec]") {
  const IdealModel model;
  int ended_late = 0;
  for (std::uint64_t seed = 1; seed <= share_of(300U); ++seed) {
    INFO("seed " << seed);
    RandomStream rng = stream(seed, "tests/late-suspension");
    std::vector<TinyJob> jobs;
    for (int j = 0; j < 8; ++j)
      jobs.push_back({static_cast<std::int64_t>(uniform_below(rng, 6)), 1,
                      1 + static_cast<std::int64_t>(uniform_below(rng, 12))});
    const Workload w = make_workload(jobs);
    const Topology topology(cluster(1, 2));
    SimExecutor simulated(topology, w, model, {});
    LateSuspension executor(simulated, seconds(1 + static_cast<std::int64_t>(uniform_below(rng, 5))));
    const auto policy = make_policy({"gandiva", "count", {{"quantum", "[3s]"}}});
    JobSource source(w.specs, [](const JobSpec& s) { return s.user_estimate; });
    InvariantChecker checker;
    ControllerOptions options;
    options.check_views = true;
    Controller controller(executor, *policy, source, w.specs, w.demands, model, options, {&checker});
    CHECK(controller.run().status == RunStatus::completed);
    for (const Violation& v : checker.violations()) FAIL_CHECK("invariant " << v.rule << ": " << v.text);
    for (const JobRecord& r : controller.state().records()) {
      CHECK(r.state == JobState::finished);
      ended_late += r.target.act == Act::suspend ? 1 : 0;
    }
  }
  CHECK(ended_late > 0);  // or nothing was tried
}
