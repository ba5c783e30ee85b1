// Nodes that are slow for a while, in the simulator: against times worked out by hand, by chance over many seeds, and
// that nobody is told but who looks at what jobs report.
#include <catch2/catch.hpp>

#include "sim/models/speed/profiled_model.hpp"
#include "sim/observe/log/event_log.hpp"
#include "tests/support/effort.hpp"
#include "tests/support/world.hpp"

namespace {

using namespace orrery;
using namespace orrery::test;

SlowSpell spell(std::uint32_t node, std::int64_t from_s, std::int64_t to_s, Slowdown by) {
  return {NodeId(node), at_seconds(from_s), at_seconds(to_s), by};
}

SimOptions slow(std::vector<SlowSpell> spells) {
  SimOptions o;
  o.failures.stragglers.spells = std::move(spells);
  return o;
}

constexpr Slowdown kQuarter = 1'250'000;  // 4 s become 5 s

double one_job_s(std::int64_t work_s, std::vector<SlowSpell> spells) {
  return run_world(cluster(1, 1), {{0, 1, work_s}}, {"fifo"}, slow(std::move(spells))).jobs[0].finish_s;
}

// Starts everything at once and writes down what it is told.
class Spy final : public Policy {
 public:
  [[nodiscard]] EventMask wakes_on() const override { return ~EventMask{0}; }
  void schedule(const ClusterView& view, PlanBuilder& plan) override {
    for (const Event& e : view.since_last) told += e.kind() == EventKind::slowed ? 1 : 0;
    for (const JobView& v : view.pending()) plan.start(v.id(), *placement_);
    for (const JobView& v : view.active())
      if (v.measured != nullptr) rates.emplace_back(to_seconds(view.now), v.measured->rate.per_billion);
  }
  int told = 0;
  std::vector<std::pair<double, std::int64_t>> rates;  // at what time, measured

 private:
  std::unique_ptr<Placement> placement_ = make_placement("count", 1);
};

class Slowings final : public Observer {
 public:
  void on_event(const Event& e) override {
    if (const auto* slowed = e.get_if<event::Slowed>())
      seen.push_back(fmt::format("{} n{} {}", to_seconds(e.at), slowed->node.value, slowed->millionths));
  }
  std::vector<std::string> seen;
};

}  // namespace

TEST_CASE("a job on a slow node takes longer by what the spell covers", "[exec][stragglers]") {
  CHECK(one_job_s(1000, {}) == 1000);
  CHECK(one_job_s(1000, {spell(0, 0, 500, kQuarter)}) == 1100);  // 400 s of work in the first 500 s
  CHECK(one_job_s(1000, {spell(0, 250, 750, kQuarter)}) == 1100);
  CHECK(one_job_s(1000, {spell(0, 500, 9000, kQuarter)}) == 1125);   // half of its work
  CHECK(one_job_s(1000, {spell(0, 1000, 9000, kQuarter)}) == 1000);  // it ends before the node slows down
  // The worst of those that go on at once: 160 s of work, then 100 s, then 480 s; the rest at full speed.
  CHECK(one_job_s(1000, {spell(0, 0, 1000, kQuarter), spell(0, 200, 400, 2 * kFullSpeed)}) == 1260);
  CHECK(one_job_s(1000, {spell(0, 200, 300, kQuarter), spell(0, 0, 200, kQuarter)}) == 1060);
  // Begins while the node is slow already.
  const SimOptions before = slow({spell(0, 0, 300, 2 * kFullSpeed)});
  CHECK(run_world(cluster(1, 1), {{100, 1, 500}}, {"fifo"}, before).jobs[0].finish_s == 700);
}

TEST_CASE("a gang is as fast as its slowest node, and nobody else is touched", "[exec][stragglers]") {
  // 50 s of work in 100 s, then 720 in 900 s.
  const RunResult r = run_world(cluster(3, 1), {{0, 2, 1000}, {0, 1, 1000}}, {"fifo"},
                                slow({spell(0, 0, 1000, kQuarter), spell(1, 0, 100, 2 * kFullSpeed)}));
  CHECK(r.jobs[0].finish_s == 1230);
  CHECK(r.jobs[1].finish_s == 1000);
}

TEST_CASE("a job that moves away from a slow node is at full speed", "[exec][stragglers]") {
  // 400 s of work when its node breaks after 500 s; the rest on the other one.
  SimOptions o = slow({spell(0, 0, 9000, kQuarter)});
  o.checkpoints = {seconds(100), Duration{}};
  o.failures.outages = {{NodeId(0), at_seconds(500), at_seconds(8000)}};
  CHECK(run_world(cluster(2, 1), {{0, 1, 1000}}, {"fifo"}, o).jobs[0].finish_s == 1100);
}

TEST_CASE("a spell that begins while a job saves counts from when it goes on", "[exec][stragglers]") {
  // Saves from 300 to 310, 610 to 620 and 920 to 930 s; 300, 540 and 780 s of work by then; 836 at 1000 s.
  SimOptions o = slow({spell(0, 305, 1000, kQuarter)});
  o.checkpoints = {seconds(300), seconds(10)};
  CHECK(run_world(cluster(1, 1), {{0, 1, 1000}}, {"fifo"}, o).jobs[0].finish_s == 1164);
}

TEST_CASE("jobs whose speed comes in stretches are slowed down as well", "[exec][stragglers]") {
  ApplicationProfile p;
  p.name = "net";
  p.split = {.two_passes_early = false, .rounds_up = false, .nodes_by_number = true};
  for (const double b : {4.0, 8.0}) p.exact.push_back({1, 1, 1, b, 0.1 * b, 0});
  const auto model = ProfiledModel::compile({p}, 1).value();
  REQUIRE(model->add({"net", 4, 1, 10'000}, false));
  const Topology topology(cluster(1, 1));
  Workload w = make_workload({{0, 1, 1}});
  w.truths[0].work = Work{model->reference_time().ns};
  SimOptions sim = slow({spell(0, 250, 750, kQuarter)});
  sim.progress_every = seconds(90);
  SimExecutor executor(topology, w, *model, sim);
  const auto policy = make_policy(PolicyChoice{"fifo"});
  JobSource source(w.specs, [](const JobSpec& s) { return s.user_estimate; });
  Controller controller(executor, *policy, source, w.specs, w.demands, *model, {}, {});
  REQUIRE(controller.run().status == RunStatus::completed);
  CHECK(to_seconds(controller.state().records()[0].since) == Approx(1100).epsilon(1e-9));
}

TEST_CASE("slow nodes are on record, and policies only see what jobs report", "[exec][stragglers]") {
  Workload w = make_workload({{0, 1, 1000}});
  SimOptions o = slow({spell(0, 300, 700, kQuarter), spell(0, 400, 500, kQuarter), spell(1, 10, 20, 2 * kFullSpeed)});
  o.progress_every = seconds(100);
  Spy policy;
  Slowings slowings;
  const RunResult r = run_world(cluster(2, 1), w, policy, o, true, {&slowings});
  CHECK(r.jobs[0].finish_s == 1080);
  CHECK(slowings.seen ==
        std::vector<std::string>{"10 n1 2000000", "20 n1 1000000", "300 n0 1250000", "700 n0 1000000"});
  CHECK(policy.told == 0);
  REQUIRE(policy.rates.size() == 10);
  for (const auto& [at, rate] : policy.rates) CHECK(rate == (at > 300 && at <= 700 ? 800'000'000 : 1'000'000'000));
}

TEST_CASE("slow spells by chance have the rate, length and range that were asked for", "[models][stragglers]") {
  FailureModel m;
  m.seed = 3;
  m.stragglers.node_mtbs = seconds(1000);
  m.stragglers.lasts = seconds(200);
  double after = 0, lasts = 0, slowdown = 0;
  constexpr int kNodes = 100, kSpells = 200;
  for (std::uint32_t n = 0; n < kNodes; ++n) {
    NodeSlowSpells node(m, n), again(m, n);
    for (int i = 0; i < kSpells; ++i) {
      const auto s = node.next(), t = again.next();
      REQUIRE((s.after == t.after && s.lasts == t.lasts && s.slowdown == t.slowdown));
      REQUIRE((s.slowdown >= 1'050'000 && s.slowdown <= 1'300'000));
      after += to_seconds(s.after), lasts += to_seconds(s.lasts), slowdown += static_cast<double>(s.slowdown) / 1e6;
    }
  }
  constexpr double kAll = kNodes * kSpells;
  CHECK(after / kAll == Approx(1000).epsilon(0.02));
  CHECK(lasts / kAll == Approx(200).epsilon(0.02));
  CHECK(slowdown / kAll == Approx(1.175).epsilon(0.002));
}

TEST_CASE("lemons: so many nodes, and their faults come so many times as often", "[models][stragglers]") {
  FailureModel m;
  m.node_mtbf = seconds(1000);
  m.repair = seconds(10);
  m.lemons = {20'000, 8 * kFullSpeed};
  int lemons = 0;
  double up = 0, up_of_lemons = 0;
  for (std::uint32_t n = 0; n < 10'000; ++n) {
    const bool lemon = m.lemons.is_lemon(m.seed, n);
    NodeFailures node(m, n);
    const double s = to_seconds(node.next());
    (lemon ? up_of_lemons : up) += s;
    lemons += lemon ? 1 : 0;
    // What is no lemon has the failures that it has without any.
    FailureModel plain = m;
    plain.lemons = {};
    if (!lemon) REQUIRE(NodeFailures(plain, n).next() == seconds(0) + Duration{NodeFailures(m, n).next().ns});
  }
  CHECK(lemons > 160);
  CHECK(lemons < 240);
  CHECK(up / (10'000 - lemons) == Approx(1000).epsilon(0.04));
  CHECK(up_of_lemons / lemons == Approx(125).epsilon(0.2));
}

TEST_CASE("slow nodes, failures and policies together: every work done, the same bytes twice", "[exec][stragglers]") {
  std::vector<TinyJob> jobs;
  for (int i = 0; i < 60; ++i) jobs.push_back({i * 15, 1 + i % 6, 100 + 37 * (i % 7)});
  std::size_t turn = 0;
  for (const char* name : {"fifo", "easy", "srtf", "tiresias", "gandiva", "las"})
    for (const std::size_t draw : some_of(4, turn++)) {
      const std::uint64_t seed = 1 + draw;
      INFO(name << ", seed " << seed);
      SimOptions o = slow({spell(2, 100, 600, 3 * kFullSpeed)});
      o.failures.seed = seed;
      o.failures.stragglers.node_mtbs = seconds(300);
      o.failures.stragglers.lasts = seconds(120);
      o.failures.lemons = {300'000, 5 * kFullSpeed};
      o.overheads.stop = seconds(3);
      o.checkpoints = {seconds(60), seconds(2)};
      if (seed % 2 == 0) o.failures.node_mtbf = seconds(4000), o.failures.repair = seconds(100);
      const auto run = [&](std::vector<std::string>& log) {
        Slowings slowings;
        const RunResult r = run_world(cluster(8, 2), jobs, {name}, o, {&slowings});
        log = slowings.seen;
        return r;
      };
      std::vector<std::string> first_log, second_log;
      const RunResult first = run(first_log), second = run(second_log);
      CHECK(first_log.size() > 20);
      CHECK(first_log == second_log);
      for (std::size_t i = 0; i < jobs.size(); ++i) {
        CHECK(first.jobs[i].state == JobState::finished);
        CHECK(first.jobs[i].finish_s == second.jobs[i].finish_s);
      }
    }
}
