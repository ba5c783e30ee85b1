// Schedules worked out by hand, one or two per policy: the Gantt chart stands in the comment, start and finish of
// every job are asserted. Times in seconds; `=` runs, `.` waits.
#include <catch2/catch.hpp>

#include "tests/support/world.hpp"

namespace {

using namespace orrery;
using namespace orrery::test;

struct Expected_ {
  double start, finish;
};

void check_schedule(const RunResult& r, const std::vector<Expected_>& want) {
  REQUIRE(r.jobs.size() == want.size());
  for (std::size_t i = 0; i < want.size(); ++i) {
    INFO("job " << i);
    CHECK(r.jobs[i].state == JobState::finished);
    CHECK(r.jobs[i].start_s == want[i].start);
    CHECK(r.jobs[i].finish_s == want[i].finish);
  }
}

// Four GPUs: j0 takes three, j1 wants two, j2 and j3 one each.
const std::vector<TinyJob> kBlockedHead{{0, 3, 10}, {1, 2, 5}, {2, 1, 4}, {3, 1, 3}};
// One GPU, four jobs of 10, 5, 1 and 3 s arriving one second apart.
const std::vector<TinyJob> kOneGpu{{0, 1, 10}, {1, 1, 5}, {2, 1, 1}, {3, 1, 3}};

}  // namespace

//   j0 (3) ==========
//   j1 (2)  .........=====
//   j2 (1)   ........====        everything behind j1 waits with it
//   j3 (1)    .......===
TEST_CASE("fifo holds everything behind the first job that does not fit", "[policies]") {
  const auto r = run_world(cluster(1, 4), kBlockedHead, {"fifo"});
  check_schedule(r, {{0, 10}, {10, 15}, {10, 14}, {10, 13}});
}

//   j0 (3) ==========
//   j1 (2)  .........=====
//   j2 (1)   ====                passes j1
//   j3 (1)    ...===
TEST_CASE("fjf goes on past a job that does not fit", "[policies]") {
  const auto r = run_world(cluster(1, 4), kBlockedHead, {"fjf"});
  check_schedule(r, {{0, 10}, {10, 15}, {2, 6}, {6, 9}});
}

TEST_CASE("lpjf is fifo as long as nothing comes back", "[policies]") {
  const auto r = run_world(cluster(1, 4), kBlockedHead, {"lpjf"});
  check_schedule(r, {{0, 10}, {10, 15}, {10, 14}, {10, 13}});
}

//   j0 ==========
//   j2   ........=
//   j3    ........===
//   j1  .............=====
TEST_CASE("sjf takes the shortest of those that wait and preempts nobody", "[policies]") {
  const auto r = run_world(cluster(1, 1), kOneGpu, {"sjf"});
  check_schedule(r, {{0, 10}, {14, 19}, {10, 11}, {11, 14}});
  CHECK(r.preemptions == 0);
}

//   j0 =.........=========
//   j1  =....====
//   j2   =
//   j3    ===
TEST_CASE("srtf gives the GPU to the shortest remaining time", "[policies]") {
  const auto r = run_world(cluster(1, 1), kOneGpu, {"srtf"});
  check_schedule(r, {{0, 19}, {1, 10}, {2, 3}, {3, 6}});
  CHECK(r.preemptions == 2);
}

// Remaining service of j0 when it is preempted: 8 s x 4 = 32; of j2 at 8: 15 s x 2 = 30, so j2 stays.
//   j0 (4) ==.....................========
//   j1 (2)   ======
//   j2 (2)    ====================
TEST_CASE("srsf weighs the remaining time with the GPUs", "[policies]") {
  const std::vector<TinyJob> jobs{{0, 4, 10}, {2, 2, 6}, {3, 2, 20}};
  check_schedule(run_world(cluster(1, 4), jobs, {"srsf"}), {{0, 31}, {2, 8}, {3, 23}});
  // srtf at 8: j0 has 8 s left, j2 15 s: j0 takes the GPUs back.
  check_schedule(run_world(cluster(1, 4), jobs, {"srtf"}), {{0, 16}, {2, 8}, {3, 31}});
}

//   j0 (4) ==......========
//   j1 (2)   ====
//   j2 (1)    ===
//   j3 (2)     ..==
TEST_CASE("smallest serves the fewest GPUs first", "[policies]") {
  const auto r = run_world(cluster(1, 4), {{0, 4, 10}, {2, 2, 4}, {3, 1, 3}, {4, 2, 2}}, {"smallest"});
  check_schedule(r, {{0, 16}, {2, 6}, {3, 6}, {6, 8}});
  CHECK(r.preemptions == 1);
}

// R holds two of four GPUs until 10. H is blocked with a reservation at 10.
TEST_CASE("easy: a job may pass that ends before the reservation, a longer one may not", "[policies]") {
  // H needs all four: shadow 10, nothing extra. j1 (2 GPUs, 8 s) ends at 10; j2 (1 GPU, 20 s) would delay H.
  const auto r = run_world(cluster(1, 4), {{0, 2, 10}, {1, 4, 5}, {2, 2, 8}, {2, 1, 20}}, {"easy"});
  check_schedule(r, {{0, 10}, {10, 15}, {2, 10}, {15, 35}});
}

TEST_CASE("easy: a long job may run on GPUs that the reservation leaves over", "[policies]") {
  // H needs three: shadow 10, one extra.
  const auto r = run_world(cluster(1, 4), {{0, 2, 10}, {1, 3, 5}, {2, 1, 20}}, {"easy"});
  check_schedule(r, {{0, 10}, {10, 15}, {2, 22}});
}

// R: 2 GPUs until 10. H: 3 GPUs, reserved 10-15. H2: 4 GPUs, 10 s. j3: 1 GPU, 30 s, delays H2 but not H.
TEST_CASE("easy with depth 2 and conservative protect the second blocked job too", "[policies]") {
  const std::vector<TinyJob> jobs{{0, 2, 10}, {1, 3, 5}, {2, 4, 10}, {3, 1, 30}};
  check_schedule(run_world(cluster(1, 4), jobs, {"easy"}), {{0, 10}, {10, 15}, {33, 43}, {3, 33}});
  check_schedule(run_world(cluster(1, 4), jobs, {"easy", "count", {{"depth", "2"}}}),
                 {{0, 10}, {10, 15}, {15, 25}, {25, 55}});
  check_schedule(run_world(cluster(1, 4), jobs, {"conservative"}), {{0, 10}, {10, 15}, {15, 25}, {25, 55}});
}

// R claims 20 s and ends after 10: reservations move to earlier times, in order.
TEST_CASE("conservative moves reservations forward when a job ends early", "[policies]") {
  const auto r =
      run_world(cluster(1, 4), {{0, 2, 10, 20}, {1, 4, 5, 5}, {2, 4, 5, 5}, {3, 2, 6, 6}}, {"conservative"});
  // j3 (2 GPUs, 6 s) ends at 9, before the reservation at 20.
  check_schedule(r, {{0, 10}, {10, 15}, {15, 20}, {3, 9}});
}

TEST_CASE("easy: a job that outruns its estimate delays the reservation, not the run", "[policies]") {
  const auto r = run_world(cluster(1, 4), {{0, 2, 30, 10}, {1, 4, 5, 5}, {2, 2, 5, 5}}, {"easy"});
  check_schedule(r, {{0, 30}, {30, 35}, {2, 7}});
}

// One GPU, limit 4 GPU-s: j0 sinks at 4 and is preempted by the fresh j1 at 6.
//   j0 ======...====
//   j1       ===
TEST_CASE("tiresias: a job below its limit yields to a fresh one", "[policies]") {
  const auto r = run_world(cluster(1, 1), {{0, 1, 10}, {6, 1, 3}}, {"tiresias", "count", {{"limits", "[4GPUs]"}}});
  check_schedule(r, {{0, 13}, {6, 9}});
  CHECK(r.preemptions == 1);
}

// Two GPUs, limit 5 GPU-s: two-GPU jobs sink after exactly 2.5 s. j1 sinks at 5.0, behind j0 in the second queue.
TEST_CASE("tiresias: the limit is crossed at the exact instant", "[policies]") {
  const auto r = run_world(cluster(1, 2), {{0, 2, 10}, {1, 2, 3}}, {"tiresias", "count", {{"limits", "[5GPUs]"}}});
  check_schedule(r, {{0, 12.5}, {2.5, 13}});
  CHECK(r.preemptions == 2);
}

TEST_CASE("tiresias counts time alone under dlas", "[policies]") {
  // Limit 5 s: j0 sinks at 5, whatever its GPUs.
  const auto r = run_world(cluster(1, 2), {{0, 2, 10}, {1, 2, 3}},
                           {"tiresias", "count", {{"service", "dlas"}, {"limits", "[5s]"}}});
  check_schedule(r, {{0, 13}, {5, 8}});
}

// One GPU, limit 4 GPU-s, starvation 2. j0 runs 0-5 and is passed by fresh jobs; at 15 it has waited twice what it
// ran and returns to the first queue, before j7 arrives.
TEST_CASE("tiresias: a starving job returns to the first queue", "[policies]") {
  const std::vector<TinyJob> jobs{{0, 1, 10}, {5, 1, 3}, {6, 1, 3},  {7, 1, 3},
                                  {8, 1, 3},  {9, 1, 3}, {10, 1, 3}, {16, 1, 3}};
  const auto with =
      run_world(cluster(1, 1), jobs, {"tiresias", "count", {{"limits", "[4GPUs]"}, {"starvation", "2"}}});
  // j0 is served at 23, sinks again at 27 and finishes its last second after j7.
  check_schedule(with, {{0, 31}, {5, 8}, {8, 11}, {11, 14}, {14, 17}, {17, 20}, {20, 23}, {27, 30}});
  const auto without = run_world(cluster(1, 1), jobs, {"tiresias", "count", {{"limits", "[4GPUs]"}}});
  check_schedule(without, {{0, 31}, {5, 8}, {8, 11}, {11, 14}, {14, 17}, {17, 20}, {20, 23}, {23, 26}});
}

// Restart 2 s, launch 1 s. j0: launched 0, runs 1-6, preempted at 6, relaunched 10 (j1: launch 1 s + 3 s), restart
// 1 + 2 s, so it runs its last 5 s from 13 to 18.
TEST_CASE("a restart costs its overhead once per relaunch", "[policies]") {
  SimOptions sim;
  sim.overheads.launch = seconds(1);
  sim.overheads.restart = OverheadModel::Restart::constant;
  sim.overheads.restart_default = seconds(2);
  const auto r = run_world(cluster(1, 1), {{0, 1, 10}, {6, 1, 3}}, {"srtf"}, sim);
  check_schedule(r, {{0, 18}, {6, 10}});
}

// The same worlds with a restart per model: `bert` 4 s, everything else 1 s.
TEST_CASE("a restart costs what its model says", "[policies]") {
  for (const auto& [model, finish] : {std::pair{"bert", 17.0}, std::pair{"other", 14.0}}) {
    Workload workload = make_workload({{0, 1, 10}, {6, 1, 3}});
    workload.specs[0].model = model;
    SimOptions sim;
    sim.overheads.restart = OverheadModel::Restart::per_model;
    sim.overheads.restart_default = seconds(1);
    sim.overheads.restart_models = {{"bert", seconds(4)}};
    const auto policy = make_policy({"srtf"});
    INFO(model);
    // j0 runs 0-6 and from 9 on, plus the restart; the first launch of each job costs nothing.
    check_schedule(run_world(cluster(1, 1), workload, *policy, sim), {{0, finish}, {6, 9}});
  }
}

// j0: launched 0, starts 2, runs 2-6, asked to stop at 6, gone at 7; j1: launched 7, runs 8-11; j0: launched 11, its
// last 6 s from 14 on. Where j0's second launch is not recorded, it costs what the rest of the model says: 5 + 7 s.
TEST_CASE("launches of a recorded run cost what they took, others what the model says", "[policies]") {
  for (const auto& [known, finish] : {std::pair{true, 20.0}, std::pair{false, 29.0}}) {
    SimOptions sim;
    sim.overheads.launch = seconds(5);
    sim.overheads.stop = seconds(9);
    sim.overheads.restart = OverheadModel::Restart::constant;
    sim.overheads.restart_default = seconds(7);
    sim.overheads.recorded = {{{seconds(2), seconds(1)}, {}}, {{seconds(1), {}}}};
    if (known) sim.overheads.recorded[0][1].start = seconds(3);
    INFO(known);
    check_schedule(run_world(cluster(1, 1), {{0, 1, 10}, {6, 1, 3}}, {"srtf"}, sim), {{0, finish}, {7, 11}});
  }
}

// Found here: with times that are no whole seconds, its crossing rule asked to be woken every nanosecond: at 4.5 the
// whole seconds left of j0 to its limit are none.
TEST_CASE("tiresias emulated ends on times that are no whole seconds", "[policies]") {
  Workload workload = make_workload({{0, 1, 10}, {0, 1, 3}});
  workload.specs[1].submit = Time{seconds(4).ns + 500'000'000};
  const auto policy = make_policy({"tiresias", "count", {{"limits", "[5GPUs]"}}, "tiresias"});
  const auto r = run_world(cluster(1, 1), workload, *policy);
  CHECK(r.jobs[0].state == JobState::finished);
  CHECK(r.jobs[1].state == JobState::finished);
  CHECK(r.outcome.decisions < 20);
}
