// Schedules of policies that decide at intervals, worked out by hand. Elastic jobs run at a speed linear in their
// GPUs.
#include <catch2/catch.hpp>

#include "policies/parts/knapsack.hpp"
#include "sim/core/random.hpp"
#include "tests/support/world.hpp"

namespace {

using namespace orrery;
using namespace orrery::test;

// One GPU's worth of `seconds`, on one to four GPUs.
TinyJob elastic(std::int64_t submit_s, std::int64_t seconds) {
  return {submit_s, 1, seconds, {}, 1, 4};
}

}  // namespace

// Four GPUs. At 0 each has one; the third goes to A (saves 600 s, B 300 s), then B's 300 s are more than A's 200 s. C
// waits until B ends, starts on one GPU between two periods and has all four from 600 on.
//   A  [2 GPUs        0-600]
//   B  [2 GPUs 0-300]
//   C   100 ........ [1 GPU 300-600][4 GPUs 600-750]
TEST_CASE("optimus gives the next GPU to the job that gains most", "[policies]") {
  const auto r = run_world(cluster(1, 4), {elastic(0, 1200), elastic(0, 600), elastic(100, 900)}, {"optimus"});
  CHECK(r.jobs[0].start_s == 0);
  CHECK(r.jobs[0].finish_s == 600);
  CHECK(r.jobs[1].finish_s == 300);
  CHECK(r.jobs[2].start_s == 300);
  CHECK(r.jobs[2].finish_s == 750);
}

TEST_CASE("optimus leaves jobs without an estimate at their least", "[policies]") {
  std::vector<TinyJob> jobs{elastic(0, 100), elastic(0, 100)};
  Workload w = make_workload(jobs);
  w.specs[0].user_estimate.reset();
  const auto policy = make_policy({"optimus"});
  const RunResult r = run_world(cluster(1, 4), w, *policy);
  CHECK(r.jobs[0].finish_s == 100);
  CHECK(r.jobs[1].finish_s == Approx(100.0 / 3));
}

// Four GPUs, two jobs: an equal share is two GPUs each, and no other split costs less (A on 1, 2, 3, 4 GPUs: 2, 1,
// 2/3, 1/2; B: 2, 1, 1, 1, since less than a period counts as one). B ends at 120, A has all four from then on.
TEST_CASE("titan brings every job closest to its fair share", "[policies]") {
  const auto r = run_world(cluster(1, 4), {elastic(0, 1200), elastic(0, 240)}, {"titan"});
  CHECK(r.jobs[1].finish_s == 120);
  CHECK(r.jobs[0].finish_s == 360);
  CHECK(r.jobs[0].preemptions == 1);
}

// One GPU, leases of 1200 s. When A's lease ends B has waited 1100 s for 500 s of work (rho 3.2), A is where it would
// be alone (rho 1).
//   A [0-1200] ............ [1700-3500]
//   B  100 ... [1200-1700]
TEST_CASE("themis gives GPUs whose lease is over to the job treated worst", "[policies]") {
  const auto r = run_world(cluster(1, 1), {{0, 1, 3000}, {100, 1, 500}}, {"themis"});
  CHECK(r.jobs[0].start_s == 0);
  CHECK(r.jobs[1].start_s == 1200);
  CHECK(r.jobs[1].finish_s == 1700);
  CHECK(r.jobs[0].finish_s == 3500);
  CHECK(r.jobs[0].preemptions == 1);
}

TEST_CASE("the knapsack agrees with trying everything", "[policies]") {
  RandomStream rng = stream(1, "tests/knapsack");
  for (int round = 0; round < 200; ++round) {
    std::vector<std::vector<KnapsackOption>> groups(1 + uniform_below(rng, 4));
    for (auto& g : groups) {
      g.push_back({0, 1 + static_cast<double>(uniform_below(rng, 100))});
      for (std::uint64_t o = uniform_below(rng, 4); o-- > 0;)
        g.push_back(
            {static_cast<std::int32_t>(1 + uniform_below(rng, 6)), static_cast<double>(uniform_below(rng, 100))});
    }
    const auto capacity = static_cast<std::int32_t>(uniform_below(rng, 12));
    const auto value = [&](const std::vector<std::size_t>& chosen, std::int32_t& weight) {
      double cost = 0;
      weight = 0;
      for (std::size_t g = 0; g < groups.size(); ++g) {
        cost += groups[g][chosen[g]].cost;
        weight += groups[g][chosen[g]].weight;
      }
      return cost;
    };
    double best = 1e9;
    std::vector<std::size_t> trial(groups.size(), 0);
    for (bool more = true; more;) {
      std::int32_t weight = 0;
      if (const double cost = value(trial, weight); weight <= capacity) best = std::min(best, cost);
      std::size_t g = 0;
      while (g < trial.size() && ++trial[g] == groups[g].size()) trial[g++] = 0;
      more = g < trial.size();
    }
    std::int32_t weight = 0;
    CHECK(value(choose_options(groups, capacity), weight) == best);
    CHECK(weight <= capacity);
  }
}
