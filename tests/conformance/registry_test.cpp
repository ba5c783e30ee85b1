// Every policy of the registry on a dozen small scenarios: valid plans (checker on), every job ends once, the
// incremental view equals a rebuilt one after every event, two runs give the same stream of events and plans.
#include <catch2/catch.hpp>

#include <cstdlib>
#include <set>

#include "sim/core/random.hpp"
#include "tests/support/effort.hpp"
#include "tests/support/fingerprint.hpp"
#include "tests/support/world.hpp"

namespace {

using namespace orrery;
using namespace orrery::test;

struct SmallScenario {
  std::string name;
  std::vector<NodeGroup> groups;
  std::vector<TinyJob> jobs;
  std::string placement = "count";
  SimOptions sim{};
};

std::vector<TinyJob> random_jobs(int n, std::int32_t max_gpus, std::uint64_t seed, std::int64_t gap_s) {
  RandomStream rng = stream(seed, "tests/conformance");
  std::vector<TinyJob> jobs;
  std::int64_t submit = 0;
  for (int i = 0; i < n; ++i) {
    TinyJob j;
    j.submit_s = submit;
    j.gpus = static_cast<std::int32_t>(1 + uniform_below(rng, static_cast<std::uint64_t>(max_gpus)));
    j.duration_s = static_cast<std::int64_t>(1 + uniform_below(rng, 3000));
    jobs.push_back(j);
    if (gap_s > 0) submit += static_cast<std::int64_t>(uniform_below(rng, static_cast<std::uint64_t>(gap_s)));
  }
  return jobs;
}

SimOptions costly() {
  SimOptions o;
  o.overheads.launch = seconds(3);
  o.overheads.stop = seconds(2);
  o.overheads.restart = OverheadModel::Restart::constant;
  o.overheads.restart_default = seconds(10);
  return o;
}

std::vector<NodeGroup> racks(int nodes, int gpus_per_node, int rack_size) {
  auto groups = cluster(nodes, gpus_per_node);
  groups[0].rack_size = rack_size;
  return groups;
}

std::vector<TinyJob> with_estimates(std::vector<TinyJob> jobs, std::int64_t percent) {
  for (TinyJob& j : jobs) j.estimate_s = std::max<std::int64_t>(1, j.duration_s * percent / 100);
  return jobs;
}

std::vector<TinyJob> elastic(std::vector<TinyJob> jobs) {
  for (TinyJob& j : jobs) {
    j.min_gpus = (j.gpus + 1) / 2;
    j.max_gpus = j.gpus + 2;
  }
  return jobs;
}

std::vector<SmallScenario> scenarios() {
  return {{"one job", cluster(1, 1), {{0, 1, 5}}},
          {"burst", cluster(4, 4), random_jobs(60, 8, 1, 0)},
          {"stream of one-GPU jobs", cluster(1, 4), random_jobs(80, 1, 2, 1000)},
          {"wide jobs", cluster(4, 4), random_jobs(30, 16, 3, 2000)},
          {"equal jobs at once", cluster(2, 4), std::vector<TinyJob>(20, TinyJob{0, 3, 100})},
          {"idle gaps", cluster(2, 4), random_jobs(20, 8, 4, 20'000)},
          {"estimates too long", cluster(2, 4), with_estimates(random_jobs(50, 8, 5, 800), 300)},
          {"estimates too short", cluster(2, 4), with_estimates(random_jobs(50, 8, 6, 800), 40)},
          {"overheads", cluster(2, 4), random_jobs(50, 8, 7, 800), "count", costly()},
          {"elastic jobs", cluster(2, 4), elastic(random_jobs(30, 6, 17, 800)), "count", costly()},
          {"yarn", cluster(4, 4), random_jobs(50, 16, 8, 800), "yarn"},
          {"consolidated", cluster(4, 4), random_jobs(50, 16, 9, 800), "consolidated", costly()},
          {"most_free", cluster(4, 4), random_jobs(50, 16, 10, 800), "most_free"},
          {"fewest", cluster(4, 4), random_jobs(50, 16, 16, 800), "fewest"},
          {"pack", cluster(4, 4), random_jobs(50, 16, 11, 800), "pack"},
          {"spread", cluster(4, 4), random_jobs(50, 16, 12, 800), "spread"},
          {"random", cluster(4, 4), random_jobs(50, 16, 13, 800), "random"},
          {"buddy", cluster(4, 4), random_jobs(50, 16, 14, 800), "buddy", costly()},
          {"topology", racks(4, 4, 2), random_jobs(50, 16, 15, 800), "topology"}};
}

// All of them, or some: on each turn others.
std::vector<SmallScenario> scenarios(std::size_t turn, std::size_t least = 1) {
  static const std::vector<SmallScenario> all = scenarios();
  std::vector<SmallScenario> out;
  for (const std::size_t i : some_of(all.size(), turn, least)) out.push_back(all[i]);
  return out;
}

}  // namespace

TEST_CASE("every registered policy passes the conformance scenarios", "[conformance]") {
  std::size_t turn = 0;
  for (const PolicyInfo& info : policy_table()) {
    for (const SmallScenario& s : scenarios(turn++, 3)) {
      INFO("policy " << info.name << ", scenario " << s.name);
      std::vector<std::uint64_t> fingerprints;
      for (int repeat = 0; repeat < 2; ++repeat) {
        Fingerprint fingerprint;
        const RunResult r = run_world(s.groups, s.jobs, {std::string(info.name), s.placement}, s.sim, {&fingerprint});
        REQUIRE(r.outcome.status == RunStatus::completed);
        for (const Outcome& j : r.jobs) REQUIRE(j.state == JobState::finished);
        fingerprints.push_back(fingerprint.value());
      }
      CHECK(fingerprints[0] == fingerprints[1]);
    }
  }
}

TEST_CASE("the conformance scenarios use every placement", "[conformance]") {
  std::set<std::string_view> used;
  const std::vector<SmallScenario> all = scenarios();
  for (const SmallScenario& s : all) used.insert(s.placement);
  for (const PlacementInfo& p : placement_table()) {
    INFO("placement " << p.name);
    CHECK(used.count(p.name) == 1);
  }
}

// 100 per mille: two of 19 and more, at every ninth place; a tenth of 200, at every tenth.
TEST_CASE("where less is done, a few turns go through all there is", "[conformance]") {
  const char* before = std::getenv("ORRERY_TEST_EFFORT");
  const std::string restored = before != nullptr ? before : "";
  REQUIRE(::setenv("ORRERY_TEST_EFFORT", "100", 1) == 0);
  const std::vector<std::size_t> some = some_of(19, 3), three = some_of(19, 6, 3), tenth = some_of(200, 14);
  std::set<std::string> scenarios_run;
  for (std::size_t turn = 0; turn < policy_table().size(); ++turn)
    for (const SmallScenario& s : scenarios(turn)) scenarios_run.insert(s.name);
  const int rounds = share_of(15), least = share_of(3);
  REQUIRE((before != nullptr ? ::setenv("ORRERY_TEST_EFFORT", restored.c_str(), 1)
                             : ::unsetenv("ORRERY_TEST_EFFORT")) == 0);
  CHECK(some == std::vector<std::size_t>{3, 12});
  CHECK(three == std::vector<std::size_t>{0, 6, 12, 18});
  CHECK(tenth.size() == 20);
  CHECK(tenth[1] == 14);
  CHECK(scenarios_run.size() == scenarios().size());
  CHECK(rounds == 2);
  CHECK(least == 1);
}

TEST_CASE("capabilities hold: policies that do not preempt, do not", "[conformance]") {
  std::size_t turn = 0;
  for (const PolicyInfo& info : policy_table()) {
    if (info.capabilities.preempts) continue;
    for (const SmallScenario& s : scenarios(turn++)) {
      INFO("policy " << info.name << ", scenario " << s.name);
      CHECK(run_world(s.groups, s.jobs, {std::string(info.name), s.placement}, s.sim).preemptions == 0);
    }
  }
}

TEST_CASE("capabilities hold: other sizes and shared GPUs only where the row says so", "[conformance]") {
  class Sees final : public Observer {
   public:
    void on_begin(const RunContext& context) override { context_ = context; }
    void on_plan(Time, std::uint64_t, const Plan& plan) override {
      for (const auto& [job, target] : plan.targets) {
        if (target.act != Act::run) continue;
        resizes += target.gpus.gpu_count() != (*context_.records)[job.index()].spec->demand.gpus;
        shares += target.group != kNoGroup;
      }
    }
    int resizes = 0, shares = 0;

   private:
    RunContext context_{};
  };
  std::size_t turn = 0;
  for (const PolicyInfo& info : policy_table()) {
    for (const SmallScenario& s : scenarios(turn++)) {
      INFO("policy " << info.name << ", scenario " << s.name);
      Sees sees;
      const auto policy = make_policy({std::string(info.name), s.placement});
      (void)run_world(s.groups, make_workload(s.jobs), *policy, s.sim, false, {&sees});
      if (!info.capabilities.elastic) CHECK(sees.resizes == 0);
      if (!info.capabilities.shares) CHECK(sees.shares == 0);
    }
  }
}

// Nothing but the decisions, not what was claimed.
class PlansOnly final : public Observer {
 public:
  void on_plan(Time now, std::uint64_t epoch, const Plan& plan) override {
    text_ = fmt::format("{} {} ", now.ns, epoch);
    append_plan(text_, plan, {});
    hash = hash64(text_, hash);
  }
  std::uint64_t hash = hash64("");

 private:
  std::string text_;
};

// Who needs estimates decides otherwise when the short jobs are said to be long, or when nothing is said.
TEST_CASE("capabilities hold: policies that do not need estimates decide the same without them", "[conformance]") {
  enum Said { truth, the_contrary, nothing };
  const auto decisions = [](const PolicyInfo& info, const SmallScenario& s, Said said) {
    Workload w = make_workload(s.jobs);
    for (JobSpec& spec : w.specs)
      if (said == the_contrary) spec.user_estimate = seconds(4000) - *spec.user_estimate;
    if (said == nothing)
      for (JobSpec& spec : w.specs) spec.user_estimate.reset();
    PlansOnly plans;
    const auto policy = make_policy({std::string(info.name), s.placement});
    (void)run_world(s.groups, w, *policy, s.sim, false, {&plans});
    return plans.hash;
  };
  std::size_t turn = 0;
  for (const PolicyInfo& info : policy_table()) {
    int differ = 0;
    for (const SmallScenario& s : scenarios(turn++)) {
      INFO("policy " << info.name << ", scenario " << s.name);
      const std::uint64_t with = decisions(info, s, truth);
      const bool same = with == decisions(info, s, the_contrary) && with == decisions(info, s, nothing);
      if (!info.capabilities.needs_estimates) CHECK(same);
      differ += same ? 0 : 1;
    }
    INFO("policy " << info.name);
    if (info.capabilities.needs_estimates && whole_effort()) CHECK(differ > 0);
  }
}

TEST_CASE("no policy leaves GPUs idle while a one-GPU job waits", "[conformance]") {
  // All jobs want one GPU: every policy is then work-conserving, and all have the same makespan on one GPU.
  const auto jobs = random_jobs(40, 1, 21, 500);
  double makespan = -1;
  for (const PolicyInfo& info : policy_table()) {
    INFO("policy " << info.name);
    const RunResult r = run_world(cluster(1, 1), jobs, {std::string(info.name)});
    if (makespan < 0) makespan = r.makespan_s;
    CHECK(r.makespan_s == makespan);
  }
}
