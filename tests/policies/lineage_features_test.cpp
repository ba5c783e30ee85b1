// LINEAGE and features that probes share: a probe waits for what another one computes, where that is worth it.
#include "policies/transfer/lineage_features.hpp"

#include "tests/support/world.hpp"

using namespace orrery;
using namespace orrery::test;

namespace {

void shares(Workload& w, std::uint32_t job, std::uint32_t set, std::int64_t pass_s, std::int64_t read_s) {
  w.specs[job].features = {set, seconds(pass_s), seconds(read_s), 1};
}

struct Run {
  RunResult result;
  int misses = 0, hits = 0;
};

Run run(int gpus, const Workload& w, const PolicyChoice& choice, bool store = true) {
  struct Count final : Observer {
    void on_event(const Event& e) override {
      if (const auto* f = e.get_if<event::Features>()) {
        misses += f->use == FeatureUse::miss ? 1 : 0;
        hits += f->use == FeatureUse::hit ? 1 : 0;
      }
    }
    int misses = 0, hits = 0;
  } count;
  const auto policy = make_policy(choice);
  SimOptions sim;
  sim.features = {store, 1000, 0, 1};
  Run r;
  r.result = run_checked(cluster(1, gpus), w, *policy, {&count}, sim);
  r.misses = count.misses;
  r.hits = count.hits;
  return r;
}

}  // namespace

TEST_CASE("lineage: a probe waits for features that another one computes, where it ends earlier so",
          "[lineage][features]") {
  // Two GPUs. j2 0-50, j0 0-70, its pass 0-60. At 50 j1 could start and end at 120; from 60 it reads for 5 s and ends
  // at
  // 75. Without the rule it starts at 50.
  Workload w = make_workload({{0, 1, 70}, {0, 1, 70}, {0, 1, 50}});
  for (const std::uint32_t j : {0U, 1U}) shares(w, j, 1, 60, 5);
  const Run held = run(2, w, {"lineage"});
  CHECK(held.result.jobs[2].finish_s == 50);
  CHECK(held.result.jobs[0].finish_s == 70);
  CHECK(held.result.jobs[1].start_s == 60);
  CHECK(held.result.jobs[1].finish_s == 75);
  CHECK((held.misses == 1 && held.hits == 1));
  const Run not_held = run(2, w, {"lineage", "count", {{"rules", "index,learn,publish"}}});
  CHECK(not_held.result.jobs[1].finish_s == 120);
  CHECK(not_held.misses == 2);
}

TEST_CASE("lineage: of a grid of probes one computes while others use the GPUs", "[lineage][features]") {
  // Four GPUs; eight probes of 100 s, 80 s of them the pass, and four other jobs of 110 s. One probe computes 0-80;
  // the others read. All at once, with idle GPUs, each computes its own: nobody would end earlier.
  std::vector<TinyJob> jobs(8, TinyJob{0, 1, 100});
  for (int i = 0; i < 4; ++i) jobs.push_back({0, 1, 110});
  Workload w = make_workload(jobs);
  for (std::uint32_t j = 0; j < 8; ++j) shares(w, j, 1, 80, 2);
  const Run r = run(4, w, {"lineage"});
  CHECK(r.misses == 1);
  CHECK(r.hits == 7);
  CHECK(r.result.mean_jct_s < run(4, w, {"lineage"}, false).result.mean_jct_s);
  const Run idle = run(12, w, {"lineage"});
  CHECK(idle.misses == 8);
  for (std::size_t j = 0; j < 8; ++j) CHECK(idle.result.jobs[j].finish_s == 100);
}

TEST_CASE("lineage: who waits for features is not forgotten when nobody computes them any more",
          "[lineage][features]") {
  // One node of two GPUs fails at 20: j0, which computes, goes on after it; both end.
  Workload w = make_workload({{0, 1, 70}, {0, 1, 70}, {0, 1, 15}, {0, 1, 40}});
  for (const std::uint32_t j : {0U, 1U}) shares(w, j, 1, 60, 5);
  const auto policy = make_policy({"lineage"});
  SimOptions sim;
  sim.features = {true, 1000, 0, 1};
  sim.failures.outages = {{NodeId(0), at_seconds(20), at_seconds(30)}};
  const RunResult r = run_world(cluster(1, 2), w, *policy, sim, true, {});
  for (const Outcome& o : r.jobs) CHECK(o.state == JobState::finished);
}

TEST_CASE("lineage: what features spare is no gain of a parent", "[lineage][features]") {
  // j1 finds the features of j0: its run time shows nothing of their parent.
  const Topology topology(cluster(1, 4));
  Workload w = make_workload({{0, 1, 100}, {0, 1, 100}, {0, 1, 100}});
  for (const std::uint32_t j : {1U, 2U}) {
    w.specs[j].after = {{JobId(0), true, 1000}};
    shares(w, j, 1, 80, 5);
  }
  const IdealModel model;
  ClusterState state(topology, w.specs, w.demands, model, 1);
  LineageGains gains(true);
  const auto say = [&](std::int64_t s, std::uint32_t job, const event::Payload& what) {
    const JobRecord& r = state.record(JobId(job));
    const Event e{.at = at_seconds(s), .job = JobId(job), .gang = r.gang, .incarnation = r.incarnation, .what = what};
    REQUIRE(state.apply(e));
    gains.follow(state.view(at_seconds(s), 0, {}), e);
  };
  const auto launch = [&](std::int64_t s, std::uint32_t job) {
    Target target;
    target.gpus.add({.node = NodeId(0), .gpus = GpuMask::one(static_cast<int>(job))});
    Plan plan;
    plan.targets.emplace_back(JobId(job), target);
    state.planned().take(target.gpus, target.sharing, target.group);  // as the maker of a plan does
    state.accept(plan);
    state.launch(JobId(job), at_seconds(s), GangId(job));
  };
  for (const std::uint32_t j : {0U, 1U, 2U}) say(0, j, event::Submit{seconds(100)});
  say(0, 0, event::Ready{});
  launch(0, 0);
  say(0, 0, event::Started{});
  say(100, 0, event::Finished{});
  for (const std::uint32_t j : {1U, 2U}) say(100, j, event::Ready{});
  const auto whole_s = [&](std::int64_t s, std::uint32_t job) {
    const ClusterView view = state.view(at_seconds(s), 0, {});
    return to_seconds(gains.whole(view, view.job(JobId(job))));
  };
  CHECK(whole_s(100, 2) == Approx(100));
  // Somebody else has stored them: 75 s less, and those who wait are named.
  (void)gains.take_changed();
  const event::Features there{FeatureUse::stored, 1, JobId(0), 1, seconds(80)};
  const Event stored{.at = at_seconds(100), .what = there};
  REQUIRE(state.apply(stored));
  gains.follow(state.view(at_seconds(100), 0, {}), stored);
  CHECK(whole_s(100, 2) == Approx(25));
  const std::vector<JobId> changed = gains.take_changed();
  CHECK(std::find(changed.begin(), changed.end(), JobId(2)) != changed.end());
  launch(100, 1);
  gains.starts(state.view(at_seconds(100), 0, {}), JobId(1), {});
  say(100, 1, event::Features{FeatureUse::hit, 1, JobId(0), 1, seconds(75)});
  say(100, 1, event::Started{});
  CHECK(whole_s(100, 1) == Approx(25));
  say(125, 1, event::Finished{});
  CHECK(gains.of(w.specs[2], 0).seen == 1);
  CHECK(gains.of(w.specs[2], 0).mean == Approx(0).margin(1e-6));
}
