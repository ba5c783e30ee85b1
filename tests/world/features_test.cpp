// Features that probes share, in the simulated world: who computes them, who reads them, what is kept.
#include <fstream>

#include "sim/core/random.hpp"
#include "sim/models/lifecycle/feature_store.hpp"
#include "sim/models/lifecycle/unlimited.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/support/world.hpp"

using namespace orrery;
using namespace orrery::test;

namespace {

constexpr std::int64_t kBytes = 10;  // of every entry

// Needs features of a set, of which `pass_s` of its run time are, and reading `read_s`.
void probe(Workload& w, std::uint32_t job, std::uint32_t set, std::int64_t pass_s, std::int64_t read_s) {
  w.specs[job].features = {set, seconds(pass_s), seconds(read_s), kBytes};
}

SimOptions store_of(std::int64_t entries) {
  SimOptions sim;
  sim.features = {true, entries * kBytes, 0, 1};
  return sim;
}

// What was said of features, as text; and that what the control plane knows fits the store.
class FeaturesSaid final : public Observer {
 public:
  explicit FeaturesSaid(const Workload& w) : work_(&w) {}
  void on_event(const Event& e) override {
    if (e.kind() == EventKind::stopped || e.kind() == EventKind::finished || failure_of(e) != nullptr)
      sets.leave(e.job);
    const auto* f = e.get_if<event::Features>();
    if (f == nullptr) return;
    text += fmt::format("{} {}", to_seconds(e.at), to_string(f->use));
    if (e.job.valid()) text += fmt::format(" j{}", e.job.value);
    text += fmt::format(" set {}", f->set);
    if (f->parent.valid()) text += fmt::format(" by j{} v{}", f->parent.value, f->version);
    text += f->time.ns != 0 ? fmt::format(" {}\n", to_seconds(f->time)) : "\n";
    sets.note(e, e.job.valid() ? &work_->specs[e.job.index()] : nullptr);
    std::int64_t bytes = 0;
    for (const auto& [key, entry] : sets.entries()) bytes += entry.stored ? entry.bytes : 0;
    most = std::max(most, bytes);
    ++count[static_cast<std::size_t>(f->use)];
  }
  std::string text;
  FeatureSets sets;
  std::int64_t most = 0;
  std::array<int, 5> count{};

 private:
  const Workload* work_;
};

RunResult run(const std::vector<NodeGroup>& groups, const Workload& w, const SimOptions& sim, FeaturesSaid& said,
              const PolicyChoice& choice = {"fifo"}) {
  return run_checked(groups, w, *make_policy(choice), {&said}, sim);
}

std::string script(const TempFolder& dir, const std::string& text) {
  std::ofstream(dir.file("script")) << text;
  return dir.file("script");
}

PolicyChoice scripted(const TempFolder& dir, const std::string& lines) {
  return {"scripted", "count", {{"file", script(dir, lines)}}};
}

}  // namespace

TEST_CASE("a probe that misses computes its features, one that comes later reads them", "[features]") {
  // j0 0-100, its pass 0-60. j1 starts at 10 beside it: nobody has them yet. j2 at 70: reads for 5 s, and has 40 to
  // do.
  Workload w = make_workload({{0, 1, 100}, {10, 1, 100}, {70, 1, 100}, {80, 1, 100}});
  for (const std::uint32_t j : {0U, 1U, 2U}) probe(w, j, 1, 60, 5);
  FeaturesSaid said(w);
  const RunResult r = run(cluster(1, 4), w, store_of(1), said);
  CHECK(r.jobs[0].finish_s == 100);
  CHECK(r.jobs[1].finish_s == 110);
  CHECK(r.jobs[2].finish_s == 115);
  CHECK(r.jobs[3].finish_s == 180);  // is no probe
  CHECK(said.text ==
        "0 miss j0 set 1 60\n10 miss j1 set 1 60\n60 stored j0 set 1 60\n70 stored j1 set 1 60\n"
        "70 hit j2 set 1 55\n");
}

TEST_CASE("without a store every probe computes its own, as part of its work", "[features]") {
  Workload w = make_workload({{0, 1, 100}, {70, 1, 100}});
  for (const std::uint32_t j : {0U, 1U}) probe(w, j, 1, 60, 5);
  FeaturesSaid said(w);
  const RunResult r = run(cluster(1, 4), w, {}, said);
  CHECK(r.jobs[1].finish_s == 170);
  CHECK(said.text.empty());
}

TEST_CASE("a gain is of a probe's steps, and features are of one version", "[features][lineage]") {
  // j0 publishes at 50 (half) and ends at 100. j1 from v1: 40 + 60 (1 - 0.5 g(0.5)); j2 from v2 (the end): 40 + 30;
  // j3 from v2 as well, later: reads for 1 s.
  Workload w = make_workload({{0, 1, 100}, {0, 1, 100}, {0, 1, 100}, {200, 1, 100}});
  w.specs[1].after = {{JobId(0), true, 500}};
  for (const std::uint32_t j : {2U, 3U}) w.specs[j].after = {{JobId(0), true, 1000}};
  for (const std::uint32_t j : {1U, 2U, 3U}) {
    probe(w, j, 7, 40, 1);
    w.truths[j].sources = {{JobId(0), 500}};
  }
  FeaturesSaid said(w);
  const RunResult r = run(cluster(1, 4), w, store_of(5), said);
  CHECK(r.jobs[1].finish_s ==
        Approx(50 + 40 + to_seconds(Duration{transfer_work(Work{seconds(60).ns}, 500, 500).ns})));
  CHECK(r.jobs[2].finish_s == 170);
  CHECK(r.jobs[3].finish_s == 231);
  CHECK(said.text ==
        "50 miss j1 set 7 by j0 v1 40\n90 stored j1 set 7 by j0 v1 40\n100 miss j2 set 7 by j0 v2 40\n"
        "140 stored j2 set 7 by j0 v2 40\n200 hit j3 set 7 by j0 v2 39\n");
  // With GPUs for all: nobody waits for features either.
  const auto alone = unlimited_jcts(w, {}, {}, {});
  CHECK(to_seconds(*alone[2]) == 170);
  CHECK(to_seconds(*alone[3]) == 70);
}

TEST_CASE("the store is bounded: what was used longest ago goes first", "[features]") {
  // Two entries fit. Set 1 is stored at 10, set 2 at 30; set 1 is read at 40, so set 3 (60) drives set 2 out.
  Workload w = make_workload({{0, 1, 20}, {20, 1, 20}, {40, 1, 20}, {50, 1, 20}, {70, 1, 20}, {90, 1, 20}});
  const std::array<std::uint32_t, 6> sets{1, 2, 1, 3, 2, 3};
  for (std::uint32_t j = 0; j < sets.size(); ++j) probe(w, j, sets[j], 10, 1);
  FeaturesSaid said(w);
  run(cluster(1, 4), w, store_of(2), said);
  CHECK(said.text ==
        "0 miss j0 set 1 10\n10 stored j0 set 1 10\n20 miss j1 set 2 10\n30 stored j1 set 2 10\n40 hit j2 set 1 9\n"
        "50 miss j3 set 3 10\n60 dropped set 2\n60 stored j3 set 3 10\n70 miss j4 set 2 10\n80 dropped set 1\n"
        "80 stored j4 set 2 10\n90 hit j5 set 3 9\n");
  CHECK(said.most == 2 * kBytes);
}

TEST_CASE("what somebody reads is not dropped: the new features are not kept", "[features]") {
  // j1 reads set 1 from 65 to 115. At 70 j2 has computed set 2, at 130 j4.
  Workload w = make_workload({{0, 1, 100}, {50, 1, 30}, {65, 1, 100}, {80, 1, 30}, {110, 1, 30}});
  probe(w, 0, 1, 60, 50);
  probe(w, 1, 2, 20, 1);
  probe(w, 2, 1, 60, 50);
  probe(w, 3, 2, 20, 1);
  probe(w, 4, 2, 20, 1);
  FeaturesSaid said(w);
  run(cluster(1, 4), w, store_of(1), said);
  CHECK(said.text ==
        "0 miss j0 set 1 60\n50 miss j1 set 2 20\n60 stored j0 set 1 60\n65 hit j2 set 1 10\n70 unkept j1 set 2 20\n"
        "80 miss j3 set 2 20\n100 unkept j3 set 2 20\n110 miss j4 set 2 20\n130 dropped set 1\n"
        "130 stored j4 set 2 20\n");
}

TEST_CASE("a pass that is broken off goes on, or reads what another has computed meanwhile", "[features]") {
  // j0 0-30 and from 70: of its pass 30 s are left, reading takes 5, its steps 40: 115. j1 computes 0-60.
  const TempFolder dir;
  Workload w = make_workload({{0, 1, 100}, {0, 1, 100}});
  for (const std::uint32_t j : {0U, 1U}) probe(w, j, 1, 60, 5);
  const PolicyChoice twice = scripted(dir, "0s j0 run n0:0\n0s j1 run n0:1\n30s j0 preempt\n70s j0 run n0:0\n");
  FeaturesSaid said(w);
  CHECK(run(cluster(1, 2), w, store_of(1), said, twice).jobs[0].finish_s == 115);
  CHECK(said.text == "0 miss j0 set 1 60\n0 miss j1 set 1 60\n60 stored j1 set 1 60\n70 hit j0 set 1 25\n");
  CHECK(said.sets.state({1, {}, 0}) == FeatureState::stored);

  // Alone it goes on where it was: 30 s of the pass at 70, which it ends at 100.
  Workload one = make_workload({{0, 1, 100}, {500, 1, 1}});
  probe(one, 0, 1, 60, 5);
  const PolicyChoice alone = scripted(dir, "0s j0 run n0:0\n30s j0 preempt\n70s j0 run n0:0\n500s j1 run n0:0\n");
  FeaturesSaid again(one);
  CHECK(run(cluster(1, 2), one, store_of(1), again, alone).jobs[0].finish_s == 140);
  CHECK(again.text == "0 miss j0 set 1 60\n70 miss j0 set 1 30\n100 stored j0 set 1 60\n");
}

TEST_CASE("policies see whether features are there, who computes them, and what that takes", "[features][control]") {
  Workload w = make_workload({{0, 1, 100}, {10, 1, 100}, {65, 1, 100}, {70, 1, 1}});
  for (const std::uint32_t j : {0U, 1U, 2U}) probe(w, j, 1, 60, 5);
  class Looks final : public Policy {
   public:
    void schedule(const ClusterView& view, PlanBuilder& plan) override {
      seen += fmt::format("{}: {} {}\n", to_seconds(view.now), static_cast<int>(view.features(JobId(2))),
                          static_cast<int>(view.features(JobId(3))));
      std::vector<JobId> waiting;
      for (const JobView& j : view.pending()) waiting.push_back(j.id());
      for (const JobId id : waiting) plan.start(id, *placement_);
    }
    [[nodiscard]] EventMask wakes_on() const override { return kArrive | kEnd | mask_of(EventKind::features); }
    std::string seen;

   private:
    std::unique_ptr<Placement> placement_ = make_placement("count", 1);
  } policy;
  run_world(cluster(1, 4), w, policy, store_of(1));
  const int none = static_cast<int>(FeatureState::none), absent = static_cast<int>(FeatureState::absent);
  const int computing = static_cast<int>(FeatureState::computing), stored = static_cast<int>(FeatureState::stored);
  const auto line = [none](const char* at, int state) { return fmt::format("{}: {} {}\n", at, state, none); };
  CHECK(policy.seen.starts_with(line("0", absent) + line("0", computing) + line("10", computing) +
                                line("10", computing) + line("60", stored)));
}

TEST_CASE("a store of features: when it is worth it", "[features]") {
  FeatureStoreModel m{true, 1000, 10, 1};
  CHECK(store_time(m, 95) == Duration{9'500'000'000});
  CHECK(store_time({true, 1, 3, 1}, 1) == Duration{333'333'334});
  CHECK(store_time({true, 1, 0, 1}, 1) == Duration{});
  CHECK(worth_storing(m, 100, Duration{20'000'000'001}));  // written once, read once: 20 s
  CHECK_FALSE(worth_storing(m, 100, seconds(20)));
  m.readers = 4;  // 10 + 4 x 10 s against 4 x 13 s
  CHECK(worth_storing(m, 100, seconds(13)));
  CHECK_FALSE(worth_storing(m, 100, seconds(12)));
  CHECK_FALSE(worth_storing(m, 1001, seconds(999)));  // does not fit
  m.on = false;
  CHECK_FALSE(worth_storing(m, 100, seconds(99)));
}

// Outages, checkpoints, preemptions by a policy: what is said adds up, and whoever looks at the events knows the
// store.
TEST_CASE("features in random worlds: nothing is lost, and the store holds what it may", "[features]") {
  int hits = 0, dropped = 0, again = 0;
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    INFO("seed " << seed);
    RandomStream rng = stream(seed, "tests/features");
    const auto below = [&rng](std::uint64_t n) { return static_cast<std::int64_t>(uniform_below(rng, n)); };
    std::vector<TinyJob> jobs;
    for (int i = 0; i < 30; ++i)
      jobs.push_back({below(600), static_cast<std::int32_t>(1 + below(3)), 20 + below(200)});
    std::sort(jobs.begin(), jobs.end(), [](const TinyJob& a, const TinyJob& b) { return a.submit_s < b.submit_s; });
    Workload w = make_workload(jobs);
    for (std::uint32_t j = 0; j < jobs.size(); ++j) {
      if (below(4) == 0) continue;
      const std::int64_t pass = 2 + below(static_cast<std::uint64_t>(jobs[j].duration_s - 3));
      probe(w, j, static_cast<std::uint32_t>(1 + below(4)), pass, below(static_cast<std::uint64_t>(pass)));
      if (j > 3 && below(3) == 0) w.specs[j].after = {{JobId(static_cast<std::uint32_t>(below(j))), true, 500}};
    }
    SimOptions sim = store_of(1 + below(3));
    sim.checkpoints = {seconds(40), seconds(1), {}};
    sim.failures.outages = {{NodeId(0), at_seconds(200), at_seconds(230)},
                            {NodeId(1), at_seconds(350), at_seconds(400)}};
    const std::int64_t limit = sim.features.limit_bytes;
    FeaturesSaid said(w);
    const RunResult r = run(cluster(2, 4), w, sim, said, {seed % 2 == 0 ? "srtf" : "easy"});
    for (const Outcome& o : r.jobs) CHECK(o.state == JobState::finished);
    CHECK(said.most <= limit);
    for (const auto& [key, entry] : said.sets.entries()) CHECK(entry.stored);  // nobody computes any more
    hits += said.count[static_cast<std::size_t>(FeatureUse::hit)];
    dropped += said.count[static_cast<std::size_t>(FeatureUse::dropped)];
    again += said.count[static_cast<std::size_t>(FeatureUse::miss)];
  }
  CHECK(hits > 100);
  CHECK(dropped > 50);
  CHECK(again > 300);
}

// In the middle of a run, of what the control plane knows of it: it ends as it would have.
TEST_CASE("a world made of what is known has the store that there was", "[features][fork]") {
  Workload w = make_workload({{0, 1, 100}, {10, 1, 100}, {80, 1, 100}, {90, 1, 50}, {140, 1, 60}});
  for (const std::uint32_t j : {0U, 1U, 2U, 4U}) probe(w, j, 1, 60, 5);
  probe(w, 3, 2, 20, 1);
  const Topology topology(cluster(1, 4));
  const IdealModel ideal;
  const SimOptions sim = store_of(1);
  for (const std::int64_t until : {5, 20, 65, 85, 95, 120}) {
    INFO("forked at " << until << " s");
    SimExecutor executor(topology, w, ideal, sim);
    JobSource source(w.specs, [](const JobSpec& s) { return s.user_estimate; });
    const auto policy = make_policy({"fifo"});
    Controller controller(executor, *policy, source, w.specs, w.demands, ideal, {}, {});
    controller.begin();
    while (executor.now() < at_seconds(until) && controller.step()) {
    }
    WorldState state = controller.world();
    SimExecutor ahead(topology, w, ideal, sim, state.cluster, state.now);
    const auto decides = policy->clone();
    Controller forecast(ahead, *decides, state, {}, {});
    while (forecast.step()) {
    }
    while (controller.step()) {
    }
    for (std::size_t j = 0; j < w.specs.size(); ++j) {
      const JobRecord &a = controller.state().records()[j], &b = forecast.state().records()[j];
      CHECK(a.state == JobState::finished);
      CHECK(a.since == b.since);
    }
  }
}
