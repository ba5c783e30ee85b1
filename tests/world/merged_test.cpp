// Merged gangs: jobs that make their steps together, one of each in turn. They join and leave while the others go on,
// finish on their own, and lose what they have not saved when a node fails; the checker reckons how far each must be.
#include <catch2/catch.hpp>
#include <fstream>
#include <set>

#include "sim/core/assert.hpp"
#include "sim/observe/log/event_log.hpp"
#include "sim/observe/log/event_log_reader.hpp"
#include "sim/observe/metrics/tables.hpp"
#include "tests/support/chaos_world.hpp"
#include "tests/support/effort.hpp"
#include "tests/support/stepping.hpp"
#include "tests/support/temp_dir.hpp"

namespace {

using namespace orrery;
using namespace orrery::test;

struct MergedScript {
  TempFolder dir;
  explicit MergedScript(const std::string& text) { std::ofstream(dir.file("script")) << text; }
  [[nodiscard]] std::unique_ptr<Policy> policy() const {
    return make_policy({"scripted", "count", {{"file", dir.file("script")}}});
  }
};

// Who was launched into which gang, and what failures left.
class GangBook final : public Observer {
 public:
  void on_event(const Event& e) override {
    if (e.kind() == EventKind::launch) gangs[e.gang.value].push_back(e.job.value);
    if (const auto* f = failure_of(e)) kept_s[e.job.value] = to_seconds(Duration{f->committed.ns});
  }
  std::map<std::uint32_t, std::vector<std::uint32_t>> gangs;
  std::map<std::uint32_t, double> kept_s;
};

RunResult play_merged(const std::string& text, int nodes, const std::vector<TinyJob>& jobs, SimOptions sim = {},
                      Observer* book = nullptr) {
  const MergedScript script(text);
  std::vector<Observer*> observers;
  if (book != nullptr) observers.push_back(book);
  return run_world(cluster(nodes, 4), jobs, {"scripted", "count", {{"file", script.dir.file("script")}}},
                   std::move(sim), observers);
}

using WhoWasWhere = std::map<std::uint32_t, std::vector<std::uint32_t>>;

// Jobs of two groups, each merged on two GPUs of its own; some are preempted and come back.
struct MergedWorld {
  std::string text;
  ChaosWorld world;
};
MergedWorld merged_world(std::uint64_t seed) {
  RandomStream rng = stream(seed, "tests/merged");
  MergedWorld m;
  m.world.seed = seed;
  m.world.groups = cluster(2, 4);
  std::vector<TinyJob> jobs;
  for (int i = 0; i < 8; ++i) {
    const auto node = static_cast<int>(uniform_below(rng, 2));  // group 1 on node 0, group 2 on node 1
    const std::int64_t at = static_cast<std::int64_t>(uniform_below(rng, 600)) + (i == 0 ? 0 : 1);
    jobs.push_back({0, 2, static_cast<std::int64_t>(1 + uniform_below(rng, 900))});
    const std::string where = fmt::format("n{}:1-2 group {} merged\n", node, node + 1);
    m.text += fmt::format("{}s j{} run {}", at, i, where);
    for (std::int64_t t = at; uniform_below(rng, 3) == 0;) {
      t += 1 + static_cast<std::int64_t>(uniform_below(rng, 200));
      m.text += fmt::format("{}s j{} preempt\n{}s j{} run {}", t, i, t + 50, i, where);
    }
  }
  m.world.workload = make_workload(jobs);
  return m;
}

}  // namespace

// j0 has 1000 s of work, j1 600 s; together each has half of the steps' time. j1 ends at 1200 s, j0 has 400 s left.
TEST_CASE("merged: a step is the sum of its members' steps", "[exec][merged]") {
  const char* script = "0s j0 run n0:0 group 1 merged\n0s j1 run n0:0 group 1 merged\n";
  const RunResult r = play_merged(script, 1, {{0, 1, 1000}, {0, 1, 600}});
  CHECK(r.jobs[1].finish_s == Approx(1200));
  CHECK(r.jobs[0].finish_s == Approx(1600));
}

// A launch takes 10 s, a stop 4 s; the others go on meanwhile. Work done by (j0, j1, j2), of 100, 100, 30:
//    10 j0 starts          0          70 j2 joins   45 15  0     130 j1 is back   70 25 25
//    40 j1 joins          30  0      100 j1 leaves  55 25 10     145 j2 is done   75 30 30
//                                    (104 it is gone)            195 j0 is done  100 55
//                                                                240 j1 is done      100
TEST_CASE("merged: members join, leave, come back and finish while the others go on", "[exec][merged]") {
  const char* script =
      "0s j0 run n0:0-1 group 7 merged\n30s j1 run n0:0-1 group 7 merged\n60s j2 run n0:0-1 group 7 merged\n"
      "100s j1 preempt\n120s j1 run n0:0-1 group 7 merged\n";
  SimOptions sim;
  sim.overheads.launch = seconds(10);
  sim.overheads.stop = seconds(4);
  GangBook book;
  const RunResult r = play_merged(script, 1, {{0, 2, 100}, {0, 2, 100}, {0, 2, 30}}, sim, &book);
  CHECK(r.jobs[2].finish_s == Approx(145).epsilon(1e-6));
  CHECK(r.jobs[0].finish_s == Approx(195).epsilon(1e-6));
  CHECK(r.jobs[1].finish_s == Approx(240).epsilon(1e-6));
  CHECK(book.gangs == WhoWasWhere{{0, {0, 1, 2, 1}}});  // one gang all the time
}

// They save every 20 s. At 50 s each has done 25 s of its 30, of which 20 are safe; from 60 s on 10 s are left of
// each.
TEST_CASE("merged: a node that fails takes all members, each of which keeps what it saved", "[exec][merged]") {
  const char* script = "0s j0 run n0:0 group 1 merged\n0s j1 run n0:0 group 1 merged\n";
  SimOptions sim;
  sim.checkpoints.every = seconds(20);
  sim.failures.outages = {{NodeId(0), at_seconds(50), at_seconds(60)}};
  GangBook book;
  const RunResult r = play_merged(script, 1, {{0, 1, 30}, {0, 1, 30}}, sim, &book);
  CHECK(book.kept_s == std::map<std::uint32_t, double>{{0, 20}, {1, 20}});
  CHECK(r.jobs[0].finish_s == Approx(80));
  CHECK(r.jobs[1].finish_s == Approx(80));
  CHECK(book.gangs == WhoWasWhere{{0, {0, 1}}, {1, {0, 1}}});
}

// A checkpoint of 6 s: the job that saves loses them, the other one does not notice.
TEST_CASE("merged: a member that saves keeps its turn", "[exec][merged]") {
  const char* script = "0s j0 run n0:0 group 1 merged\n0s j1 run n0:0 group 1 merged\n10s j0 checkpoint\n";
  SimOptions sim;
  sim.checkpoints.cost = seconds(6);
  const RunResult r = play_merged(script, 1, {{0, 1, 50}, {0, 1, 50}}, sim);
  CHECK(r.jobs[1].finish_s == Approx(100));
  CHECK(r.jobs[0].finish_s == Approx(100 + 3));  // 3 s of work are missing, alone at full speed
}

// At 50 s all of the group go to another GPU: both leave, then both start there, in a gang of its own.
TEST_CASE("merged: a gang moves when all of its members do", "[exec][merged]") {
  const char* script =
      "0s j0 run n0:0 group 1 merged\n0s j1 run n0:0 group 1 merged\n"
      "50s j0 run n0:1 group 1 merged\n50s j1 run n0:1 group 1 merged\n";
  SimOptions sim;
  sim.overheads.stop = seconds(4);
  GangBook book;
  const RunResult r = play_merged(script, 1, {{0, 1, 50}, {0, 1, 50}}, sim, &book);
  CHECK(r.jobs[0].finish_s == Approx(104));
  CHECK(r.jobs[1].finish_s == Approx(104));
  CHECK(book.gangs == WhoWasWhere{{0, {0, 1}}, {1, {0, 1}}});
}

// The only member of the gang is leaving when j1 is wanted in it: j1 waits until it is gone, and begins a new one.
TEST_CASE("merged: nobody joins a gang that is ending", "[exec][merged]") {
  const char* script =
      "0s j0 run n0:0 group 1 merged\n10s j0 preempt\n11s j1 run n0:0 group 1 merged\n30s j0 run n0:0\n";
  SimOptions sim;
  sim.overheads.stop = seconds(5);
  GangBook book;
  const RunResult r = play_merged(script, 1, {{0, 1, 12}, {0, 1, 10}}, sim, &book);
  CHECK(r.jobs[1].start_s == Approx(15));
  CHECK(r.jobs[1].finish_s == Approx(25));
  CHECK(r.jobs[0].finish_s == Approx(32));
  CHECK(book.gangs == WhoWasWhere{{0, {0}}, {1, {1}}, {2, {0}}});
}

// A step of the gang is 1 s of j0 and 3 s of j1. j1 does its 150 s in 200 s, by when j0 has done 50 of its 100 s.
TEST_CASE("merged: where steps are known, each member has its share of them", "[exec][merged]") {
  const MergedScript script("0s j0 run n0:0 group 1 merged\n0s j1 run n0:0 group 1 merged\n");
  const Workload w = make_workload({{0, 1, 100}, {0, 1, 150}});
  const Topology topology(cluster(1, 1));
  const Stepping speed;
  const IdealModel belief;
  for (const bool told : {true, false}) {
    SimExecutor executor(topology, w, speed, {});
    JobSource source(w.specs, [](const JobSpec& s) { return s.user_estimate; });
    InvariantChecker checker(watched(w, told ? static_cast<const PerformanceModel&>(speed) : belief));
    const auto policy = script.policy();
    Controller controller(executor, *policy, source, w.specs, w.demands, belief, {}, {&checker});
    CHECK(controller.run().status == RunStatus::completed);
    CHECK(to_seconds(controller.state().record(JobId(1)).since) == Approx(200));
    CHECK(to_seconds(controller.state().record(JobId(0)).since) == Approx(250));
    CHECK(checker.ok() == told);  // it notices steps that take another time than it was told
  }
}

// Of the node's six cores j0 wants two, j1 four, and j2 two when j0 is gone.
TEST_CASE("merged: members have CPUs and memory of their own", "[exec][merged]") {
  const MergedScript script(
      "0s j0 run n0:0-1 group 1 merged\n10s j1 run n0:0-1 group 1 merged\n110s j2 run n0:0-1 group 1 merged\n");
  Workload w = make_workload({{0, 2, 50}, {0, 2, 50}, {0, 2, 10}});
  for (JobSpec& s : w.specs) {
    s.demand.cpu_milli = s.id.value == 1 ? 4000 : 2000;
    s.demand.mem_bytes = s.id.value == 1 ? 100 : 0;
    s.demand_class = w.demands.intern(s.demand);
  }
  std::vector<NodeGroup> groups = cluster(1, 4);
  groups[0].cpu_milli = 6000;
  groups[0].mem_bytes = 100;
  const IdealModel speed;
  InvariantChecker checker(watched(w, speed));
  GangBook book;
  const auto policy = script.policy();
  const RunResult r = run_world(groups, w, *policy, {}, true, {&checker, &book});
  check_clean(checker);
  CHECK(r.jobs[0].finish_s == Approx(90));   // 10 s alone, 40 s in 80 s
  CHECK(r.jobs[1].finish_s == Approx(100));  // 40 s in 80 s, 10 s alone
  CHECK(r.jobs[2].finish_s == Approx(120));
  CHECK(book.gangs == WhoWasWhere{{0, {0, 1}}, {1, {2}}});
}

TEST_CASE("merged: members are on the same GPUs, and are not suspended", "[exec][merged]") {
  CHECK_THROWS_AS(
      play_merged("0s j0 run n0:0 group 1 merged\n0s j1 run n0:1 group 1 merged\n", 1, {{0, 1, 10}, {0, 1, 10}}),
      AssertionFailed);
  CHECK_THROWS_AS(play_merged("0s j0 run n0:0 group 1 merged\n5s j0 suspend\n", 1, {{0, 1, 10}}), AssertionFailed);
}

// Found here: a gang that had ended stayed in the book, one for every group of the run.
TEST_CASE("merged: the checker's book knows the gangs that make steps, and no others", "[observe][merged]") {
  const Workload w = make_workload({{0, 1, 10}, {0, 1, 10}});
  std::vector<JobRecord> records(w.specs.size());
  for (const JobSpec& spec : w.specs) records[spec.id.index()].spec = &spec;
  const Topology topology(cluster(1, 4));
  WorkBook book;
  book.begin({&topology, &records, nullptr, nullptr}, {});
  Allocation gpu;
  gpu.add({.node = NodeId(0), .gpus = 1});
  for (std::uint32_t j = 0; j < 2; ++j) {
    book.launch(JobId(j), gpu, {}, Sharing::merged, GroupId(1), {}, Work{seconds(10).ns});
    CHECK(book.gangs() == j);
    book.run(JobId(j), {});
    CHECK(book.gangs() == 1);
  }
  book.pass(at_seconds(5));
  book.stand(JobId(0), at_seconds(5));
  CHECK(book.gangs() == 1);
  CHECK(book.done(JobId(0), at_seconds(5)).done == Work{seconds(5).ns / 2});
  book.leave(JobId(1), at_seconds(6));
  CHECK(book.gangs() == 0);
}

TEST_CASE("merged: random worlds keep every promise, and gangs do no more than their GPUs can", "[exec][merged]") {
  std::size_t widest = 0;
  for (std::uint64_t seed = 1; seed <= share_of(100U); ++seed) {
    INFO("seed " << seed);
    const MergedWorld m = merged_world(seed);
    const MergedScript script(m.text);
    SimOptions sim = chaos_sim_options();
    sim.failures.outages = {{NodeId(0), at_seconds(400), at_seconds(450)}};
    const IdealModel speed;
    InvariantChecker checker(watched(m.world.workload, speed, sim));
    GangBook book;
    const auto policy = script.policy();
    const RunResult r = run_world(m.world.groups, m.world.workload, *policy, sim, true, {&checker, &book});
    check_clean(checker);
    CHECK(r.outcome.unfinished == 0);
    double done = 0;
    for (const JobTruth& t : m.world.workload.truths) done += to_seconds(Duration{t.work.ns});
    CHECK(done <= 2 * r.makespan_s);  // two gangs
    for (const auto& [gang, jobs] : book.gangs)
      widest = std::max(widest, std::set<std::uint32_t>(jobs.begin(), jobs.end()).size());
  }
  CHECK(widest >= 4);
}

TEST_CASE("merged: bad luck and replays", "[exec][merged]") {
  for (std::uint64_t seed = 1; seed <= share_of(60U); ++seed) {
    INFO("seed " << seed);
    const MergedWorld m = merged_world(seed);
    const MergedScript script(m.text);
    const Topology topology(m.world.groups);
    const IdealModel model;
    Chaos chaos(seed);
    SimExecutor world(topology, m.world.workload, model, chaos_sim_options());
    ChaosExecutor unlucky(world, chaos);
    Recording recording;
    RecordingExecutor recorder(unlucky, recording);
    const auto make = [&] { return script.policy(); };
    // How fast the others are while one is held up as it leaves, nobody above the inner world can know.
    const Verdict first = run_on(recorder, m.world, make, 0, false);
    REQUIRE(first.outcome.status == RunStatus::completed);
    for (const Violation& v : first.violations) FAIL_CHECK(v.rule << " at " << to_seconds(v.at) << " s: " << v.text);
    ReplayExecutor replay(topology, recording);
    REQUIRE(run_on(replay, m.world, make, 0, false).fingerprint == first.fingerprint);
  }
}

namespace {

std::string tables_of(const MetricsFold& fold) {
  std::string out;
  const TextSink sink = [&](std::string_view piece) { out += piece; };
  write_jobs_csv(fold, sink);
  write_samples_csv(fold.samples(), sink);
  return out + summary_json(fold.summary());
}

}  // namespace

TEST_CASE("merged: the stored log says what the stream said, and the same tables come of both", "[exec][merged]") {
  const TempFolder dir;
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    INFO("seed " << seed);
    const MergedWorld m = merged_world(seed);
    const MergedScript script(m.text);
    const Topology topology(m.world.groups);
    std::vector<JobRecord> records(m.world.workload.specs.size());
    for (const JobSpec& spec : m.world.workload.specs) records[spec.id.index()].spec = &spec;
    const auto table = std::make_shared<const JobTable>(make_job_table(records));
    const auto nodes = gpus_by_node(topology);
    const std::string path = dir.file(fmt::format("{}.jsonl.zst", seed));
    MetricsFold streamed(table, nodes), stored(table, nodes);
    EventLog log(table, nodes, {path, 3});
    const auto policy = script.policy();
    (void)run_world(m.world.groups, m.world.workload, *policy, chaos_sim_options(), true, {&streamed, &log});
    const auto digest = log.close();
    REQUIRE(digest);
    REQUIRE(read_event_log(path, stored));
    CHECK(tables_of(stored) == tables_of(streamed));
    EventLog again(table, nodes, {});
    REQUIRE(read_event_log(path, again));
    CHECK(*again.close() == *digest);
  }
}
