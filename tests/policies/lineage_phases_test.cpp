// LINEAGE's rule R8: phases in its order, its sizes and its holds, and where jobs that decode go. And the bound of
// what its learning can be worth: a LINEAGE that is told what is true.
#include <map>

#include "policies/transfer/lineage_phases.hpp"
#include "sim/core/random.hpp"
#include "tests/support/phases.hpp"
#include "tests/support/world.hpp"

using namespace orrery;
using namespace orrery::test;

namespace {

class Places final : public Observer {
 public:
  void on_event(const Event& e) override {
    if (const auto* launch = e.get_if<event::Launch>()) of[e.job.value].push_back(launch->gpus->to_string());
  }
  void on_plan(Time, std::uint64_t, const Plan& plan) override {
    for (const auto& [job, target] : plan.targets) configs[job.value] = target.config;
  }
  std::map<std::uint32_t, std::vector<std::string>> of;
  std::map<std::uint32_t, RunConfig> configs;
};

PolicyChoice lineage(const std::string& rules, const std::string& gains = "learned") {
  return {"lineage", "count", {{"rules", rules}, {"min_run", "0s"}, {"rho_max", "0"}, {"gains", gains}}};
}

RunResult run(const std::vector<NodeGroup>& groups, const Workload& w, const PolicyChoice& choice, Places& places,
              const SimOptions& sim = {}) {
  return run_checked(groups, w, *make_policy(choice), {&places}, sim);
}

void hangs_below(Workload& w, std::size_t child, std::uint32_t parent, bool hard, std::int32_t per_mille,
                 std::int32_t gain_per_mille = 0) {
  w.specs[child].model = "transfer";
  w.specs[child].dataset = "set";
  w.specs[parent].model = "pretrain";
  w.specs[child].after.push_back({JobId(parent), hard, per_mille});
  w.truths[child].sources.push_back({JobId(parent), gain_per_mille});
}

std::shared_ptr<const KnownGains> truth_of(const Workload& w) {
  auto known = std::make_shared<KnownGains>();
  known->of.resize(w.truths.size());
  for (std::size_t i = 0; i < w.truths.size(); ++i)
    for (const SourceGain& s : w.truths[i].sources) known->of[i].push_back({s.parent, s.gain_per_mille});
  return known;
}

SimOptions cpus() {
  SimOptions sim;
  sim.cpus = true;
  return sim;
}

}  // namespace

TEST_CASE("lineage puts one of two jobs that decode on each of two nodes", "[policies][lineage][phases]") {
  // Two nodes of 2 GPUs and 8 CPUs. Two video jobs want 8 CPUs each, two text jobs none.
  Workload w = make_workload({{0, 1, 100}, {0, 1, 100}, {0, 1, 100}, {0, 1, 100}});
  for (const std::size_t video : {0U, 1U}) in_phases(w.specs[video], "full@0:1:8");
  const auto groups = with_cpus(cluster(2, 2), 8);
  Places spread, without;
  const RunResult with = run(groups, w, lineage("[index, phases]"), spread, cpus());
  CHECK((spread.of[0].front() == "n0:0" && spread.of[1].front() == "n1:0"));
  for (const Outcome& j : with.jobs) CHECK(j.finish_s == 100);
  // Alone, too.
  Places alone;
  CHECK(run(groups, w, lineage("[phases]"), alone, cpus()).makespan_s == 100);
  // Without the rule both are on the first node, at half speed.
  const RunResult beside = run(groups, w, lineage("[index]"), without, cpus());
  CHECK((without.of[0].front() == "n0:0" && without.of[1].front() == "n0:1"));
  CHECK((beside.jobs[0].finish_s == 200 && beside.jobs[1].finish_s == 200 && beside.jobs[2].finish_s == 100));
}

TEST_CASE("lineage keeps GPUs with CPUs beside them for jobs that decode", "[policies][lineage][phases]") {
  // A node of 8 CPUs and one of 2. That there are jobs that decode is known since j0. The text job comes before the
  // next of them, and goes where CPUs are few.
  auto groups = with_cpus(cluster(1, 2), 8);
  groups.push_back(with_cpus(cluster(1, 2), 2).front());
  groups.back().name = "m";
  Workload w = make_workload({{0, 1, 1}, {5, 2, 100}, {10, 2, 100}});
  in_phases(w.specs[0], "full@0:1:1");
  in_phases(w.specs[2], "full@0:1:4");
  Places places;
  const RunResult r = run(groups, w, lineage("[phases]"), places, cpus());
  CHECK(places.of[1].front() == "n1:0-1");
  CHECK(places.of[2].front() == "n0:0-1");
  CHECK(r.jobs[2].finish_s == 110);
}

TEST_CASE("lineage leaves nobody out where CPUs are too few", "[policies][lineage][phases]") {
  // One GPU more than the 8 CPUs of either node can feed: three at half speed while they share.
  Workload w = make_workload({{0, 1, 100}, {0, 1, 100}, {0, 1, 100}});
  for (JobSpec& s : w.specs) in_phases(s, "full@0:1:8");
  Places places;
  const RunResult r = run(with_cpus(cluster(2, 2), 8), w, lineage("[phases]"), places, cpus());
  CHECK(r.jobs[0].finish_s == 200);
  CHECK(r.jobs[1].finish_s == 100);
  CHECK(r.jobs[2].finish_s == 200);
}

TEST_CASE("lineage counts what a job will want, not what it wanted", "[policies][lineage][phases]") {
  // j0 decodes until half of its work is done, at 50 s; then j1, which comes at 60 s, may go beside it.
  Workload w = make_workload({{0, 1, 100}, {0, 1, 1000}, {60, 1, 100}});
  in_phases(w.specs[0], "projector@0:1:8;full@0.5:1");
  in_phases(w.specs[1], "full@0:1:8");
  in_phases(w.specs[2], "full@0:1:8");
  Places places;
  const RunResult r = run(with_cpus(cluster(2, 2), 8), w, lineage("[phases]"), places, cpus());
  CHECK(places.of[0].front() == "n0:0");
  CHECK(places.of[1].front() == "n1:0");
  CHECK(places.of[2].front() == "n0:1");
  CHECK(r.jobs[2].finish_s == 160);
}

TEST_CASE("lineage spreads in random worlds what nodes can feed", "[policies][lineage][phases]") {
  // Every node of 4 GPUs has 8 CPUs; jobs of one GPU want up to 2 or 4. Whatever comes: no plan breaks the rules
  // of plans, all end, and where all want 2 at most nobody is slowed down.
  RandomStream rng = stream(17, "tests/lineage/phases");
  for (int round = 0; round < 20; ++round) {
    std::vector<TinyJob> jobs;
    for (int i = 0; i < 40; ++i)
      jobs.push_back({static_cast<std::int64_t>(5 * i), static_cast<std::int32_t>(1 + uniform_below(rng, 3)),
                      static_cast<std::int64_t>(20 + uniform_below(rng, 200))});
    Workload w = make_workload(jobs);
    const int most = round % 2 == 0 ? 2 : 4;
    for (JobSpec& s : w.specs)
      if (uniform_below(rng, 2) == 0)
        in_phases(s, fmt::format("projector@0:1:{};full@0.5:1:{}", uniform_below(rng, most + 1),
                                 uniform_below(rng, most + 1))
                         .c_str());
    Places places, free;
    SimOptions sim = cpus();
    if (round % 3 == 0) sim.failures.outages = {{NodeId(1), at_seconds(60), at_seconds(100)}};
    const PolicyChoice choice = lineage("[index, elastic, publish, learn, abort, phases]");
    const RunResult r = run(with_cpus(cluster(3, 4), 8), w, choice, places, sim);
    sim.cpus = false;
    if (most == 2) CHECK(r.mean_jct_s == run(with_cpus(cluster(3, 4), 8), w, choice, free, sim).mean_jct_s);
  }
}

TEST_CASE("lineage orders parents by the time until the version that is waited for", "[policies][lineage][phases]") {
  // One GPU. Half of j1's work takes 20 s, half of j0's 50 s: a child waits for either.
  Workload w = make_workload({{0, 1, 100}, {0, 1, 100}, {0, 1, 10}, {0, 1, 10}});
  hangs_below(w, 2, 0, true, 500);
  hangs_below(w, 3, 1, true, 500);
  Places places;
  CHECK(run(cluster(1, 1), w, lineage("[index]"), places).jobs[0].start_s == 0);  // alike: the first one
  in_phases(w.specs[1], "projector@0:0.4;full@0.5:1.6");
  const RunResult r = run(cluster(1, 1), w, lineage("[index]"), places);
  CHECK(r.jobs[1].start_s == 0);
  CHECK(r.jobs[3].start_s == 20);
  // The other half would take it 80 s: first j0, with its child.
  CHECK(r.jobs[0].start_s == 30);
}

TEST_CASE("lineage gives no GPUs to a phase that they do not shorten", "[policies][lineage][phases]") {
  Workload w = make_workload({{0, 1, 1000, std::nullopt, 1, 3}, {0, 1, 1000, std::nullopt, 1, 3}});
  in_phases(w.specs[0], "full@0:1:0:1");
  Places places;
  PolicyChoice choice = lineage("[elastic]");
  const RunResult r = run(cluster(1, 4), w, choice, places);
  CHECK(places.of[0].front() == "n0:3");
  CHECK(places.of[1].front() == "n0:0-2");
  CHECK(r.jobs[0].finish_s == 1000);
  CHECK(r.jobs[1].finish_s == Approx(1000.0 / 3));
}

TEST_CASE("a lineage that is told what is true refuses a harmful parent at its first child",
          "[policies][lineage][phases]") {
  // One GPU. Children of j0 lose half: j1 would take 150 s, and nobody has seen that yet.
  Workload w = make_workload({{0, 1, 10}, {0, 1, 100}, {100, 1, 100}});
  for (const std::size_t child : {1U, 2U}) hangs_below(w, child, 0, true, 1000, -500);
  Places learned, told;
  CHECK(run(cluster(1, 1), w, lineage("[index, learn]"), learned).jobs[1].finish_s == 160);
  CHECK(learned.configs[1].start_version == 0);
  PolicyChoice oracle = lineage("[index, learn]", "oracle");
  oracle.gains = truth_of(w);
  const RunResult r = run(cluster(1, 1), w, oracle, told);
  CHECK(told.configs[1].start_version == kFromBase);
  CHECK(r.jobs[1].finish_s == 110);
  CHECK(r.jobs[2].finish_s == 210);
  // What it is not told it learns.
  oracle.gains = nullptr;
  CHECK(run(cluster(1, 1), w, oracle, told).jobs[1].finish_s == 160);
}

TEST_CASE("a lineage that is told what is true takes the better parent and believes the right run time",
          "[policies][lineage][phases]") {
  // One GPU. j2 likes both; the second one saves 0.8. Then it takes 20 s, less than j3's 50 s, and comes first.
  Workload w = make_workload({{0, 1, 10}, {0, 1, 10}, {5, 1, 100}, {5, 1, 50}});
  hangs_below(w, 2, 0, true, 1000, 0);
  hangs_below(w, 2, 1, true, 1000, 800);
  w.specs[0].model = "another";
  PolicyChoice oracle = lineage("[index, learn]", "oracle");
  oracle.gains = truth_of(w);
  Places told;
  const RunResult r = run(cluster(1, 1), w, oracle, told);
  CHECK(told.configs[2].start_parent == JobId(1));
  CHECK(r.jobs[2].finish_s == 40);
  CHECK(r.jobs[3].finish_s == 90);
}

TEST_CASE("lineage tries again what a parent was too busy to publish", "[policies][lineage]") {
  // A parent stands still for 20 s every 30 s; some commands come just then.
  class Refused final : public Observer {
   public:
    void on_event(const Event& e) override {
      const auto* failed = e.get_if<event::CommandFailed>();
      if (failed != nullptr && failed->why == Refusal::busy) refused.push_back(e.at);
      if (e.kind() == EventKind::published) published.push_back(e.at);
    }
    std::vector<Time> refused, published;
  } seen;
  std::vector<TinyJob> jobs{{0, 1, 10}, {0, 1, 100}, {40, 1, 5000}};
  for (std::int64_t t = 100; t < 4000; t += 100) jobs.push_back({t, 1, 300});
  Workload w = make_workload(jobs);
  hangs_below(w, 1, 0, true, 1000, 800);
  for (std::size_t c = 3; c < jobs.size(); ++c) hangs_below(w, c, 2, false, 1000, 800);
  SimOptions sim;
  sim.publishes.cost = seconds(5);
  sim.checkpoints = {seconds(30), seconds(20), {}};
  const auto policy = make_policy(lineage("[index, learn, publish]"));
  (void)run_world(cluster(1, 8), w, *policy, sim, true, {&seen});
  REQUIRE(seen.refused.size() > 2);
  for (const Time at : seen.refused) {
    const auto next = std::find_if(seen.published.begin(), seen.published.end(), [at](Time t) { return t >= at; });
    REQUIRE(next != seen.published.end());
    CHECK(*next - at <= seconds(60));
  }
}
