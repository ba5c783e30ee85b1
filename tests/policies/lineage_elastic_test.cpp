// LINEAGE's rule R3: how many GPUs an elastic job gets, against Optimus' greedy rule and by hand.
#include <map>

#include "sim/core/random.hpp"
#include "tests/support/effort.hpp"
#include "tests/support/world.hpp"

using namespace orrery;
using namespace orrery::test;

namespace {

// How many GPUs each job was launched on, launch by launch.
class Sizes final : public Observer {
 public:
  void on_event(const Event& e) override {
    if (const auto* launch = e.get_if<event::Launch>()) of[e.job.value].push_back(launch->gpus->gpu_count());
  }
  std::map<std::uint32_t, std::vector<std::int32_t>> of;
};

RunResult sized_run(int gpus, const Workload& w, const PolicyChoice& choice, Sizes& sizes) {
  const auto policy = make_policy(choice);
  const IdealModel speed;
  InvariantChecker checker(watched(w, speed, {}));
  RunResult r = run_world(cluster(1, gpus), w, *policy, {}, true, {&checker, &sizes});
  check_clean(checker);
  return r;
}

PolicyChoice lineage_with(const std::string& rules, const std::string& marginal = "share") {
  return {"lineage", "count", {{"rules", rules}, {"min_run", "0s"}, {"rho_max", "0"}, {"marginal", marginal}}};
}

}  // namespace

TEST_CASE("lineage without edges gives GPUs as Optimus does, where seconds count", "[policies][lineage][elastic]") {
  RandomStream rng = stream(14, "tests/lineage/elastic");
  for (int round = 0; round < share_of(100); ++round) {
    std::vector<TinyJob> jobs;
    const std::uint64_t n = 2 + uniform_below(rng, 8);
    for (std::uint64_t i = 0; i < n; ++i) {
      const auto most = static_cast<std::int32_t>(1 + uniform_below(rng, 12));
      const auto asked = static_cast<std::int32_t>(1 + uniform_below(rng, static_cast<std::uint64_t>(most)));
      const auto run_s = static_cast<std::int64_t>(1'000 + uniform_below(rng, 1'000'000));
      jobs.push_back({0, asked, run_s, std::nullopt, 1, most});
    }
    jobs.push_back({0, 1, 5000, std::nullopt, 1, 2});  // one is elastic, whatever was drawn
    const Workload w = make_workload(jobs);
    Sizes ours, theirs;
    (void)sized_run(32, w, lineage_with("[elastic]", "seconds"), ours);
    (void)sized_run(32, w, {"optimus", "count", {{"period", "600s"}}}, theirs);
    INFO("round " << round);
    for (std::uint32_t j = 0; j < jobs.size(); ++j) CHECK(ours.of[j].front() == theirs.of[j].front());
  }
}

TEST_CASE("lineage gives a GPU to the job that it saves the greater share of its time",
          "[policies][lineage][elastic]") {
  // Five GPUs. j0 takes 10,000 s on one, j1 100 s. One more saves either half of its time, then a third, a quarter:
  // in turn, the first of equals first. By seconds all would go to j0, which saves more by its fourth than j1 by its
  // second.
  const Workload w = make_workload({{0, 1, 10'000, std::nullopt, 1, 4}, {0, 1, 100, std::nullopt, 1, 4}});
  Sizes share, by_seconds;
  (void)sized_run(5, w, lineage_with("[elastic]"), share);
  CHECK(share.of[1].front() == 3);
  (void)sized_run(5, w, lineage_with("[elastic]", "seconds"), by_seconds);
  CHECK(by_seconds.of[0].front() == 4);
}

TEST_CASE("lineage gives a GPU to the job that more wait for", "[policies][lineage][elastic]") {
  // Three GPUs for two jobs of 1000 s that can use two each. j2 and j3 wait for j1.
  Workload w =
      make_workload({{0, 1, 1000, std::nullopt, 1, 2}, {0, 1, 1000, std::nullopt, 1, 2}, {0, 1, 10}, {0, 1, 10}});
  for (const std::size_t child : {2U, 3U}) w.specs[child].after = {{JobId(1), true, 1000}};
  Sizes sizes;
  const RunResult r = sized_run(3, w, lineage_with("[index, elastic]"), sizes);
  CHECK(sizes.of[0].front() == 1);
  CHECK(sizes.of[1].front() == 2);
  CHECK(r.jobs[1].finish_s == 500);
  // Nobody counts with them: the first of equals.
  Sizes alone;
  (void)sized_run(3, w, lineage_with("[elastic]"), alone);
  CHECK(alone.of[0].front() == 2);
}

TEST_CASE("lineage resizes a running job only where that saves several restarts", "[policies][lineage][elastic]") {
  // Two GPUs. j1 leaves its own after 50 s: two GPUs save j0, on one, half of what it has to do, 175 s of 350 s or
  // 5000 s of 10000 s. A restart is believed to take 60 s, and three of them must be saved.
  for (const auto& [run_s, launches] : {std::pair{400, 1U}, std::pair{10'050, 2U}}) {
    const Workload w = make_workload({{0, 1, run_s, std::nullopt, 1, 2}, {0, 1, 50}});
    Sizes sizes;
    const RunResult r = sized_run(2, w, lineage_with("[index, elastic]"), sizes);
    CHECK(sizes.of[0].size() == launches);
    CHECK(r.jobs[0].finish_s < run_s + 1);
  }
}

TEST_CASE("lineage promotes before the young, with elastic jobs, too", "[policies][lineage][elastic]") {
  // One GPU. j0, which could use two, is young for 1000 s; j1 (10 s) comes at 5 s. With two jobs on one GPU
  // (now - 5 + 10) / (10 x 2) exceeds 1.5 after 25 s: j1 is first, and nothing else happens then that would wake
  // anybody.
  const Workload w = make_workload({{0, 1, 100, std::nullopt, 1, 2}, {5, 1, 10}});
  Sizes sizes;
  const RunResult r =
      sized_run(1, w,
                {"lineage",
                 "count",
                 {{"rules", "[index, elastic]"}, {"min_run", "1000s"}, {"rho_max", "1.5"}, {"resize_every", "1s"}}},
                sizes);
  CHECK(r.jobs[1].start_s == Approx(25).margin(0.001));
  CHECK(r.jobs[0].finish_s == Approx(110).margin(0.001));
}

TEST_CASE("lineage counts what it learned of a child for its GPUs, too", "[policies][lineage][elastic]") {
  // Three GPUs. j0 and j1 (800 s, a gain of 0.9) teach that such children take about a tenth of what they claim. Then
  // j3, such a child, and j4 of the same claim could each use two GPUs: seconds are saved in j4, of equal shares the
  // first wins. Without what was learned j3 would be first in both.
  for (const bool learn : {true, false}) {
    Workload w = make_workload({{0, 1, 10},
                                {0, 1, 800},
                                {0, 1, 800},
                                {2000, 1, 4000, std::nullopt, 1, 2},
                                {2000, 1, 4000, std::nullopt, 1, 2}});
    for (const std::size_t c : {1U, 2U, 3U}) {
      w.specs[c].model = "transfer";
      w.specs[c].dataset = "set";
      w.specs[0].model = "pretrain";
      w.specs[c].after.push_back({JobId(0), true, 1000});
      w.truths[c].sources.push_back({JobId(0), 900});
    }
    Sizes sizes;
    (void)sized_run(3, w, lineage_with(learn ? "[elastic, learn]" : "[elastic]", "seconds"), sizes);
    CHECK(sizes.of[4].front() == (learn ? 2 : 1));
    CHECK(sizes.of[3].front() == (learn ? 1 : 2));
  }
}
