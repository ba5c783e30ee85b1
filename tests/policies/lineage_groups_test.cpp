// LINEAGE's rule R4, merged groups, in worlds: who is merged, who leaves, and what becomes of it.
#include <algorithm>
#include <map>
#include <set>

#include "sim/control/replay_executor.hpp"
#include "sim/world/chaos_executor.hpp"
#include "tests/support/chaos_world.hpp"
#include "tests/support/effort.hpp"
#include "tests/support/world.hpp"

using namespace orrery;
using namespace orrery::test;

namespace {

struct Seen final : Observer {
  void on_plan(Time, std::uint64_t, const Plan& plan) override {
    for (const Reason& r : plan.reasons) merged += r.code == ReasonCode::merged ? 1 : 0;
  }
  void on_event(const Event& e) override {
    if (e.kind() == EventKind::launch) of[e.job] = e.gang;
    if (e.kind() == EventKind::started) {
      steps[of[e.job]].insert(e.job);
      widest = std::max(widest, steps[of[e.job]].size());
    }
    const bool leaves = e.kind() == EventKind::finished || e.kind() == EventKind::stopped || failure_of(e) != nullptr;
    if (leaves && of.count(e.job) > 0) steps[of[e.job]].erase(e.job);
  }
  std::size_t merged = 0, widest = 0;
  std::map<JobId, GangId> of;
  std::map<GangId, std::set<JobId>> steps;
};

// Of `parents` on one GPU each, all others descend by turns, unless `beside` says that they are on their own.
Workload family(const std::vector<TinyJob>& jobs, std::uint32_t parents, std::int32_t shared,
                const std::set<std::uint32_t>& beside = {}) {
  Workload w = make_workload(jobs);
  for (JobSpec& spec : w.specs) {
    if (spec.id.value < parents || beside.count(spec.id.value) > 0) continue;
    spec.model = "lora";
    spec.dataset = "set";
    spec.merging.step_per_mille = shared;
    spec.after.push_back({JobId(spec.id.value % parents), true, 1000});
    w.truths[spec.id.index()].sources.push_back({JobId(spec.id.value % parents), 0});
  }
  return w;
}

RunResult play(const std::vector<NodeGroup>& groups, const Workload& w, Seen& seen, const std::string& rules,
               const SimOptions& sim = {}, const std::string& placement = "count") {
  const auto policy = make_policy({"lineage", placement, {{"min_run", "0s"}, {"rho_max", "0"}, {"rules", rules}}});
  const IdealModel speed;
  InvariantChecker checker(watched(w, speed, sim));
  RunResult r = run_world(groups, w, *policy, sim, true, {&checker, &seen});
  check_clean(checker);
  return r;
}

}  // namespace

// Two GPUs. The parent ends at 10 s; j1 keeps the other GPU. Of two children and four jobs of 100 s the first child
// starts, and the second joins it: 90 GPU-seconds saved, with 3 jobs' weight for each, and 10 s lost by the first.
// Both end at 10 + 110 s.
TEST_CASE("lineage merges children of one version where others wait", "[policies][lineage][groups]") {
  const std::vector<TinyJob> jobs{{0, 1, 10},  {0, 1, 5000}, {1, 1, 100}, {1, 1, 100},
                                  {5, 1, 100}, {5, 1, 100},  {5, 1, 100}, {5, 1, 100}};
  const Workload w = family(jobs, 1, 900, {1, 4, 5, 6, 7});
  Seen seen, off;
  const RunResult r = play(cluster(1, 2), w, seen, "[index, learn, groups]");
  CHECK(seen.merged == 1);
  CHECK(seen.widest == 2);
  CHECK(r.jobs[2].finish_s == Approx(120).epsilon(1e-6));
  CHECK(r.jobs[3].finish_s == Approx(120).epsilon(1e-6));
  const RunResult apart = play(cluster(1, 2), w, off, "[index, learn]");
  CHECK(off.merged == 0);
  CHECK(off.widest == 1);
  CHECK(apart.jobs[2].finish_s == Approx(110));
  CHECK(apart.mean_jct_s > r.mean_jct_s);
}

TEST_CASE("lineage merges nobody while GPUs are idle", "[policies][lineage][groups]") {
  for (std::uint64_t seed = 1; seed <= share_of(40U); ++seed) {
    INFO("seed " << seed);
    RandomStream rng = stream(seed, "tests/idle");
    std::vector<TinyJob> jobs{{0, 1, 10}, {0, 1, 15}};
    for (int i = 0; i < 10; ++i)
      jobs.push_back({static_cast<std::int64_t>(uniform_below(rng, 50)), 1,
                      static_cast<std::int64_t>(1 + uniform_below(rng, 500))});
    const Workload w = family(jobs, 2, static_cast<std::int32_t>(750 + uniform_below(rng, 251)));
    Seen seen;
    const RunResult r = play(cluster(3, 4), w, seen, "[index, hold, learn, groups]");
    CHECK(seen.merged == 0);
    CHECK(seen.widest == 1);
  }
}

TEST_CASE("lineage does not take a merged child's slow steps for a bad parent", "[policies][lineage][groups]") {
  // j2 and j3 run merged, at 1 / 1.1 each. j8, of the same kind and data set, comes when they have ended: had they
  // shown ln(100 / 110), it would start from its base checkpoint.
  std::vector<TinyJob> jobs{{0, 1, 10},  {0, 1, 5000}, {1, 1, 100}, {1, 1, 100},  {5, 1, 100},
                            {5, 1, 100}, {5, 1, 100},  {5, 1, 100}, {300, 1, 100}};
  const Workload w = family(jobs, 1, 900, {1, 4, 5, 6, 7});
  struct Starts final : Observer {
    void on_event(const Event& e) override {
      inherited += e.kind() == EventKind::inherited && e.job == JobId(8) ? 1 : 0;
    }
    void on_plan(Time, std::uint64_t, const Plan& plan) override {
      for (const auto& [job, target] : plan.targets)
        if (job == JobId(8)) from_base = target.config.start_version == kFromBase;
    }
    int inherited = 0;
    bool from_base = false;
  } starts;
  const auto policy = make_policy({"lineage", "count", {{"min_run", "0s"}, {"rules", "[index, learn, groups]"}}});
  const IdealModel speed;
  InvariantChecker checker(watched(w, speed));
  const RunResult r = run_world(cluster(1, 2), w, *policy, {}, true, {&checker, &starts});
  check_clean(checker);
  CHECK(starts.inherited == 1);
  CHECK_FALSE(starts.from_base);
}

// Of 1000 s each from their base, 1500 s from the parent, in epochs of 100 s: both have done one at 10 + 110 s, when
// both are found to be slower. One goes on there, anew and alone, to 1120 s; the other waits for it.
TEST_CASE("lineage: merged children that begin anew leave their gang", "[policies][lineage][groups]") {
  const std::vector<TinyJob> jobs{{0, 1, 10},   {1, 1, 50000}, {1, 1, 1000}, {1, 1, 1000},
                                  {5, 1, 2000}, {5, 1, 2000},  {5, 1, 2000}, {5, 1, 2000}};
  Workload w = family(jobs, 1, 900, {1, 4, 5, 6, 7});
  for (const std::size_t child : {2U, 3U}) {
    w.truths[child].sources.front().gain_per_mille = -500;
    w.truths[child].epochs = 10;
  }
  SimOptions sim;
  sim.assess.error = 0;
  Seen seen;
  const RunResult r = play(cluster(1, 1), w, seen, "[index, learn, abort, groups]", sim);
  CHECK(seen.widest == 2);
  CHECK(std::min(r.jobs[2].finish_s, r.jobs[3].finish_s) == Approx(1120).epsilon(1e-6));
  CHECK(std::max(r.jobs[2].finish_s, r.jobs[3].finish_s) == Approx(2120).epsilon(1e-6));
}

namespace {

constexpr const char* kRules = "[index, hold, publish, learn, abort, groups]";

struct GroupWorld {
  ChaosWorld world;
  std::int32_t shared = 900;
};
GroupWorld group_world(std::uint64_t seed) {
  RandomStream rng = stream(seed, "tests/groups");
  GroupWorld g;
  g.shared = static_cast<std::int32_t>(800 + uniform_below(rng, 201));
  g.world.seed = seed;
  g.world.groups = cluster(2, 4);
  static constexpr const char* kPlacements[] = {"count", "consolidated", "pack", "random"};
  g.world.placement = kPlacements[uniform_below(rng, 4)];
  std::vector<TinyJob> jobs{{0, 4, 200}, {0, 2, 300}};
  std::set<std::uint32_t> beside;
  for (std::uint32_t i = 2; i < 26; ++i) {
    if (uniform_below(rng, 4) == 0) beside.insert(i);
    const auto gpus =
        static_cast<std::int32_t>(beside.count(i) > 0 ? 1 + uniform_below(rng, 8) : 1 + uniform_below(rng, 2));
    const auto lasts = static_cast<std::int64_t>(1 + uniform_below(rng, 2000));
    jobs.push_back({static_cast<std::int64_t>(uniform_below(rng, 900)), gpus, lasts,
                    1 + lasts * static_cast<std::int64_t>(70 + uniform_below(rng, 100)) / 100});
  }
  g.world.workload = family(jobs, 2, g.shared, beside);
  for (JobTruth& t : g.world.workload.truths) {
    if (t.sources.empty()) continue;
    t.sources.front().gain_per_mille = static_cast<std::int32_t>(uniform_below(rng, 1000)) - 600;
    t.epochs = static_cast<std::int32_t>(uniform_below(rng, 12));
  }
  return g;
}

}  // namespace

TEST_CASE("lineage groups: random worlds keep every promise, and gangs their bound", "[policies][lineage][groups]") {
  std::size_t merged = 0, moved = 0;
  for (std::uint64_t seed = 1; seed <= share_of(120U); ++seed) {
    INFO("seed " << seed);
    const GroupWorld g = group_world(seed);
    SimOptions sim = chaos_sim_options();
    if (seed % 2 == 0) sim.failures.outages = {{NodeId(0), at_seconds(700), at_seconds(900)}};
    Seen seen;
    const RunResult r = play(g.world.groups, g.world.workload, seen, kRules, sim, g.world.placement);
    CHECK(r.outcome.unfinished == 0);
    // gamma + (1 - gamma) k <= 1.25
    const std::int32_t own = 1000 - g.shared;
    const std::size_t most =
        own == 0 ? 8 : std::min<std::size_t>(8, static_cast<std::size_t>((1250 - g.shared) / own));
    CHECK(seen.widest <= most);
    merged += seen.merged;
    moved += seen.widest > 2 ? 1 : 0;
  }
  CHECK(merged > share_of(200U));
  CHECK(moved > share_of(20U));
}

TEST_CASE("lineage groups: bad luck and replays", "[policies][lineage][groups]") {
  for (std::uint64_t seed = 1; seed <= share_of(40U); ++seed) {
    INFO("seed " << seed);
    const GroupWorld g = group_world(seed);
    const auto make = [&] { return make_policy({"lineage", g.world.placement, {{"rules", kRules}}}); };
    const Topology topology(g.world.groups);
    const IdealModel model;
    Chaos chaos(seed);
    SimExecutor world(topology, g.world.workload, model, chaos_sim_options());
    ChaosExecutor unlucky(world, chaos);
    Recording recording;
    RecordingExecutor recorder(unlucky, recording);
    const Verdict first = run_on(recorder, g.world, make, 0, false);
    REQUIRE(first.outcome.status == RunStatus::completed);
    for (const Violation& v : first.violations) FAIL_CHECK(v.rule << " at " << to_seconds(v.at) << " s: " << v.text);
    ReplayExecutor replay(topology, recording);
    REQUIRE(run_on(replay, g.world, make, 0, false).fingerprint == first.fingerprint);
    // Another object of the policy takes over in the middle, where gangs run.
    SimExecutor again(topology, g.world.workload, model, chaos_sim_options());
    const Verdict taken = run_on(again, g.world, make, 30, false);
    CHECK(taken.outcome.status == RunStatus::completed);
    for (const Violation& v : taken.violations) FAIL_CHECK(v.rule << " at " << to_seconds(v.at) << " s: " << v.text);
  }
}

TEST_CASE("lineage groups: a fork goes on as the run does", "[policies][lineage][groups][fork]") {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    INFO("seed " << seed);
    const GroupWorld g = group_world(seed);
    const Workload& w = g.world.workload;
    const Topology topology(g.world.groups);
    const IdealModel speed;
    const auto estimate = [](const JobSpec& s) { return s.user_estimate; };
    SimExecutor executor(topology, w, speed, chaos_sim_options());
    JobSource source(w.specs, estimate);
    const auto policy = make_policy({"lineage", g.world.placement, {{"rules", kRules}}});
    Controller controller(executor, *policy, source, w.specs, w.demands, speed, {}, {});
    const auto ends_of = [](const ClusterState& state) {
      std::vector<std::pair<std::int64_t, std::uint32_t>> ends;
      for (const JobRecord& r : state.records()) ends.emplace_back(r.since.ns, r.incarnation);
      return ends;
    };
    std::vector<std::vector<std::pair<std::int64_t, std::uint32_t>>> forks;
    controller.begin();
    for (std::uint64_t next = 0; controller.step();) {
      if (controller.events() < next) continue;
      next = controller.events() + 25;
      SimExecutor world = executor;
      WorldState state = controller.world();
      state.source.ask(estimate);
      const auto decides = policy->clone();
      Controller other(world, *decides, state, {}, {});
      while (other.step()) {
      }
      REQUIRE(other.end().status == RunStatus::completed);
      forks.push_back(ends_of(other.state()));
    }
    REQUIRE(controller.end().status == RunStatus::completed);
    CHECK(forks.size() > 3);
    for (const auto& fork : forks) CHECK(fork == ends_of(controller.state()));
  }
}
