// Policies that are wrong on purpose: each must be caught, by the checker or by the control plane, and a right policy
// in the same harness must not be. A checker that has never caught anything proves nothing.
#include <catch2/catch.hpp>

#include <algorithm>

#include "sim/core/assert.hpp"
#include "tests/support/world.hpp"

namespace {

using namespace orrery;
using namespace orrery::test;

struct Caught {
  std::vector<std::string> rules;  // of the checker
  bool asserted = false;           // the control plane refused
  RunStatus status = RunStatus::completed;
  [[nodiscard]] bool by(const std::string& rule) const {
    return std::find(rules.begin(), rules.end(), rule) != rules.end();
  }
};

Caught run_wrong(Policy& policy, const std::vector<TinyJob>& jobs) {
  const Workload workload = make_workload(jobs);
  InvariantChecker checker;
  Caught c;
  try {
    c.status = run_world(cluster(1, 4), workload, policy, {}, false, {&checker}).outcome.status;
  } catch (const AssertionFailed&) {
    c.asserted = true;
  }
  for (const Violation& v : checker.violations()) c.rules.push_back(v.rule);
  return c;
}

// Starts everything that fits: the right policy that the wrong ones are variations of.
class Greedy : public Policy {
 public:
  void schedule(const ClusterView& view, PlanBuilder& plan) override {
    std::vector<JobId> waiting;
    for (const JobView& j : view.pending()) waiting.push_back(j.id());
    for (const JobId id : waiting)
      if (wants(id)) start(view, plan, id);
  }

 protected:
  virtual bool wants(JobId) { return true; }
  virtual void start(const ClusterView&, PlanBuilder& plan, JobId id) { plan.start(id, *placement_); }
  std::unique_ptr<Placement> placement_ = make_placement("count", 1);
};

// Puts every job on the first GPU, whoever is there.
class Overbooking final : public Greedy {
  void start(const ClusterView& view, PlanBuilder& plan, JobId id) override {
    Allocation first;
    first.add({.node = NodeId(0), .gpus = 0b1});
    auto& books = const_cast<Inventory&>(plan.free());
    if (!books.can_take(first)) books.give(first);
    plan.run(id, first);
    (void)view;
  }
};

class Forgetful final : public Greedy {
  bool wants(JobId id) override { return id.value != 1; }
};

class Sleeping final : public Greedy {
 public:
  [[nodiscard]] EventMask wakes_on() const override { return kArrive; }
};

// Starts job 1 at the first decision, although nobody has submitted it.
class Clairvoyant final : public Greedy {
  void start(const ClusterView& view, PlanBuilder& plan, JobId id) override {
    Greedy::start(view, plan, id);
    if (id.value == 0) Greedy::start(view, plan, JobId(1));
  }
};

// Gives a job fewer GPUs than it asked for.
class Stingy final : public Greedy {
  void start(const ClusterView&, PlanBuilder& plan, JobId id) override {
    Allocation one;
    one.add({.node = NodeId(0), .gpus = std::uint64_t{1} << id.value});
    plan.run(id, one);
  }
};

const std::vector<TinyJob> kWrongJobs{{0, 1, 10}, {1, 1, 5}, {2, 1, 5}};
const std::vector<TinyJob> kQueue{{0, 4, 10}, {1, 4, 5}};

}  // namespace

TEST_CASE("a right policy is not accused", "[policies]") {
  Greedy right;
  const Caught c = run_wrong(right, kWrongJobs);
  CHECK(c.rules.empty());
  CHECK_FALSE(c.asserted);
  CHECK(c.status == RunStatus::completed);
}

TEST_CASE("an overbooking policy is caught", "[policies]") {
  Overbooking wrong;
  const Caught c = run_wrong(wrong, kWrongJobs);
  CHECK(c.by("plan-overbooked"));
}

TEST_CASE("a forgetful policy is caught", "[policies]") {
  Forgetful wrong;
  const Caught c = run_wrong(wrong, kWrongJobs);
  CHECK(c.by("unfinished"));
  CHECK(c.status == RunStatus::stalled);
}

TEST_CASE("a sleeping policy is caught", "[policies]") {
  Sleeping wrong;
  const Caught c = run_wrong(wrong, kQueue);
  CHECK(c.by("unfinished"));
  CHECK(c.status == RunStatus::stalled);
}

TEST_CASE("a clairvoyant policy is caught", "[policies]") {
  Clairvoyant wrong;
  const Caught c = run_wrong(wrong, kWrongJobs);
  // The cluster state refuses such a plan before the checker sees it; what the checker says of one is tested with
  // a forged stream in tests/observe.
  CHECK((c.by("clairvoyant") || c.asserted));
}

TEST_CASE("a policy that gives too few GPUs is caught", "[policies]") {
  Stingy wrong;
  const Caught c = run_wrong(wrong, {{0, 2, 10}});
  CHECK((c.by("demand") || c.asserted));
}
