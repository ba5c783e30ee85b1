// Hand-worked schedules and unit vectors of the policies by attained service, by deadline, by tenant and by turns.
#include <fmt/format.h>
#include <catch2/catch.hpp>

#include "policies/parts/gittins_index.hpp"
#include "tests/support/world.hpp"

namespace {

using namespace orrery;
using namespace orrery::test;

void check_finish(const RunResult& r, const std::vector<double>& want) {
  REQUIRE(r.jobs.size() == want.size());
  for (std::size_t i = 0; i < want.size(); ++i) {
    INFO("job " << i);
    CHECK(r.jobs[i].state == JobState::finished);
    CHECK(r.jobs[i].finish_s == want[i]);
  }
}

RunResult run_checked(const std::vector<NodeGroup>& groups, const Workload& workload, const PolicyChoice& choice) {
  const auto policy = make_policy(choice);
  InvariantChecker checker;
  RunResult r = run_world(groups, workload, *policy, {}, true, {&checker});
  for (const Violation& v : checker.violations())
    FAIL_CHECK("invariant " << v.rule << " at " << to_seconds(v.at) << " s: " << v.text);
  return r;
}

}  // namespace

// One GPU, quantum 2 GPU-s. j0 runs 0-3 (1 quantum filled), j1 is fresh at 3 and fills one at 5: j0, which came first
// of two with one quantum each, continues to fill its second at 6; then j1 again, ...
//   j0 ===..=..==
//   j1    ==.==
TEST_CASE("las alternates between equal jobs once per quantum", "[policies]") {
  const PolicyChoice kQuickLas{"las", "count", {{"quantum", "[2GPUs]"}, {"hold", "[0s]"}}};
  const auto r = run_world(cluster(1, 1), {{0, 1, 6}, {3, 1, 4}}, kQuickLas);
  // At 5 both have filled one quantum; the running one (j1) stays, fills its second at 7 and finishes.
  check_finish(r, {10, 7});
  const auto longer = run_world(cluster(1, 1), {{0, 1, 6}, {3, 1, 5}}, kQuickLas);
  // At 7 j1 has filled two quanta and j0 one: j0 runs 7-8 until it has filled two, and goes on (ties: running first)
  // until it has filled three at 10, when it is done; j1 ends at 11.
  check_finish(longer, {10, 11});
}

// Eight GPUs fill a quantum in a second. Without the hold the jobs would change places every second, and where a
// start takes longer than that, hardly anything else would be done.
//   j0 =====......=====
//   j1      ======     ====
TEST_CASE("las holds a wide job for longer than its quanta last", "[policies]") {
  const std::vector<TinyJob> jobs{{0, 8, 10}, {0, 8, 10}};
  const PolicyChoice las{"las", "count", {{"quantum", "[8GPUs]"}, {"hold", "[5s]"}}};
  check_finish(run_world(cluster(1, 8), jobs, las), {16, 20});
}

TEST_CASE("the Gittins index has its published values", "[policies]") {
  std::vector<std::int64_t> samples;
  for (const std::int64_t s : {100, 200, 400, 800, 1600, 3200}) samples.push_back(seconds(s).ns);
  const GittinsIndex index(samples);
  const auto at = [&index](std::int64_t age, std::int64_t quantum) {
    return fmt::format("{:.3f}", static_cast<double>(index.at(seconds(age).ns, seconds(quantum).ns)) / 1e3);
  };
  const auto sup = [&index](std::int64_t age) {
    return fmt::format("{:.3f}", static_cast<double>(index.sup_at(seconds(age).ns)) / 1e3);
  };
  CHECK(at(0, 200) == "1818.182");
  CHECK(at(0, 800) == "1290.323");
  CHECK(at(0, 3250) == "952.381");
  CHECK(sup(0) == "1818.182");
  CHECK(at(150, 200) == "1176.471");
  CHECK(at(150, 800) == "1176.471");
  CHECK(at(150, 3250) == "917.431");
  CHECK(sup(150) == "4000.000");
  CHECK(at(500, 200) == "0.000");
  CHECK(at(500, 800) == "526.316");
  CHECK(at(500, 3250) == "731.707");
  CHECK(sup(500) == "1111.111");
  CHECK(index.at(seconds(4000).ns, seconds(100).ns) == 0);
}

// 16 jobs of 2 s teach the index that work is short; then a job that has attained 4 s (older than any sample: index
// 0) must yield to a fresh one although both arrived.
TEST_CASE("gittins prefers jobs of an age at which others finished", "[policies]") {
  std::vector<TinyJob> jobs;
  for (int i = 0; i < 16; ++i) jobs.push_back({2 * i, 1, 2});
  jobs.push_back({40, 1, 20});  // 40-44 alone
  jobs.push_back({44, 1, 2});
  const auto r = run_world(cluster(1, 1), jobs, {"gittins", "count", {{"quantum", "[2GPUs]"}, {"hold", "[0s]"}}});
  CHECK(r.jobs[17].finish_s == 46);
  CHECK(r.jobs[16].finish_s == 62);
}

//   j0 (deadline 30) ==....========
//   j1 (deadline 9)    ====
//   j2 (none)          ............==
TEST_CASE("edf serves the earliest deadline and preempts for it", "[policies]") {
  Workload w = make_workload({{0, 1, 10}, {2, 1, 4}, {2, 1, 2}});
  w.specs[0].deadline = at_seconds(30);
  w.specs[1].deadline = at_seconds(9);
  check_finish(run_checked(cluster(1, 1), w, {"edf"}), {14, 6, 16});
}

// Capacity 9 CPUs and 18 GB; A's tasks want (1 CPU, 4 GB), B's (3 CPU, 1 GB): three of A and two of B run, dominant
// shares 2/3 each (the example of the DRF paper).
TEST_CASE("drf gives the published allocation", "[policies]") {
  auto groups = cluster(1, 1);
  groups[0].cpu_milli = 9000;
  groups[0].mem_bytes = 18'000'000'000;
  Workload w = make_workload(std::vector<TinyJob>(10, TinyJob{0, 0, 100}));
  DemandTable demands;
  for (std::size_t i = 0; i < w.specs.size(); ++i) {
    JobSpec& s = w.specs[i];
    s.tenant = i < 5 ? "A" : "B";
    s.demand.cpu_milli = i < 5 ? 1000 : 3000;
    s.demand.mem_bytes = i < 5 ? 4'000'000'000 : 1'000'000'000;
    s.demand_class = demands.intern(s.demand);
  }
  w.demands = demands;
  const RunResult r = run_checked(groups, w, {"drf"});
  int a = 0, b = 0;
  for (std::size_t i = 0; i < r.jobs.size(); ++i)
    if (r.jobs[i].start_s == 0) ++(i < 5 ? a : b);
  CHECK(a == 3);
  CHECK(b == 2);
}

// n0 has 8 GPUs and 12 CPUs, n1 as many GPUs and a thousand CPUs, and is away. A wants a GPU a job, B one and three
// CPUs: shares of 1/8 and of 1/4 a job. A, B, A, A, B, A, A, B: five of A, three of B. Of all nodes' CPUs a job of B
// would be 1/16, and they would take turns.
TEST_CASE("drf counts shares of what is up", "[policies]") {
  auto groups = cluster(1, 8);
  groups.push_back(groups[0]);
  groups[1].name = "away";
  groups[0].cpu_milli = 12'000;
  groups[1].cpu_milli = 1'000'000;
  Workload w = make_workload(std::vector<TinyJob>(16, TinyJob{10, 1, 100}));
  for (std::size_t i = 0; i < 16; ++i) {
    JobSpec& s = w.specs[i];
    s.tenant = i < 8 ? "A" : "B";
    s.demand.cpu_milli = i < 8 ? 0 : 3000;
    s.demand_class = w.demands.intern(s.demand);
  }
  SimOptions sim;
  sim.failures.outages = {{NodeId(1), Time{}, at_seconds(1'000'000)}};
  const auto policy = make_policy({"drf"});
  const RunResult r = run_world(groups, w, *policy, sim);
  int a = 0, b = 0;
  for (std::size_t i = 0; i < r.jobs.size(); ++i)
    if (r.jobs[i].start_s == 10) ++(i < 8 ? a : b);
  CHECK(a == 5);
  CHECK(b == 3);
}

TEST_CASE("drf serves tenants evenly whoever came first", "[policies]") {
  // Four GPUs; A submits four one-GPU jobs, then B four: two of each run first.
  Workload w = make_workload(std::vector<TinyJob>(8, TinyJob{0, 1, 10}));
  for (std::size_t i = 0; i < 8; ++i) w.specs[i].tenant = i < 4 ? "A" : "B";
  check_finish(run_checked(cluster(1, 4), w, {"drf"}), {10, 10, 20, 20, 10, 10, 20, 20});
}

// Predicted GPU-time: j1 10 s x 4, j2 15 s x 2, j3 20 s x 1. sjf would take j1 first.
TEST_CASE("qssf weighs the prediction with the GPUs", "[policies]") {
  const auto r = run_world(cluster(1, 4), {{0, 4, 5}, {1, 4, 10}, {1, 2, 15}, {1, 1, 20}}, {"qssf"});
  CHECK(r.jobs[3].start_s == 5);
  CHECK(r.jobs[2].start_s == 5);
  CHECK(r.jobs[1].start_s == 25);
}

// One GPU, turns of 2 s.
//   j0 ===..==..==...      (7 s)   runs 0-3, 5-7, 9-11
//   j1  ..==..=            (3 s)   joins at 1, runs 3-5, 7-8
TEST_CASE("gandiva lets jobs take turns on the GPUs they share", "[policies]") {
  const auto r = run_world(cluster(1, 1), {{0, 1, 7}, {1, 1, 3}}, {"gandiva", "count", {{"quantum", "[2s]"}}});
  CHECK(r.jobs[1].start_s == 3);
  check_finish(r, {10, 8});
  CHECK(r.preemptions == 0);
}

TEST_CASE("gandiva moves a job that was never launched to GPUs that become free", "[policies]") {
  // Two GPUs. j2 joins j0 (or j1) at 1; j1 ends at 2 before j2 had a turn: j2 moves and both run alone.
  const auto r =
      run_world(cluster(1, 2), {{0, 1, 10}, {0, 1, 2}, {1, 1, 4}}, {"gandiva", "count", {{"quantum", "[5s]"}}});
  check_finish(r, {10, 2, 6});
}

// One GPU and two CPUs, turns of 2 s; j0 and j2 want a GPU and a CPU each, j1 a CPU alone until 5. At 3 it would be
// j2's turn, but there is no CPU for it: j0 goes on, and the GPU is never idle.
TEST_CASE("gandiva passes over a member whose CPUs somebody else has", "[policies]") {
  auto groups = cluster(1, 1);
  groups[0].cpu_milli = 2000;
  Workload w = make_workload({{0, 1, 8}, {0, 1, 5}, {1, 1, 4}});
  w.specs[1].demand.gpus = w.specs[1].min_gpus = w.specs[1].max_gpus = 0;
  for (JobSpec& s : w.specs) {
    s.demand.cpu_milli = 1000;
    s.demand_class = w.demands.intern(s.demand);
  }
  const auto r = run_checked(groups, w, {"gandiva", "count", {{"quantum", "2s"}}});
  CHECK(r.outcome.status == RunStatus::completed);
  CHECK(r.jobs[1].finish_s == 5);
  CHECK(r.jobs[2].start_s >= 5);
  CHECK(r.makespan_s == 12);
}

TEST_CASE("gandiva shares no more than it may", "[policies]") {
  const auto r = run_world(cluster(1, 1), {{0, 1, 4}, {0, 1, 4}, {0, 1, 4}},
                           {"gandiva", "count", {{"quantum", "[2s]"}, {"most", "2"}}});
  // j0 and j1 take turns and end at 6 and 8; j2 joins at 6.
  CHECK(r.jobs[0].finish_s == 6);
  CHECK(r.jobs[2].start_s >= 6);
  CHECK(r.jobs[2].finish_s == 12);
}
