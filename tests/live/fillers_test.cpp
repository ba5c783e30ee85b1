// Jobs in the bubbles of others as real processes: what is measured of their hosts, what a rule makes of that, and
// what becomes of either when the other dies. Paced hosts are slowed by what the world says that fillers cost, and
// report steps by plan, so what is measured is exact on a busy machine, too.
#include <catch2/catch.hpp>

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "sim/api/bubbles.hpp"
#include "sim/control/replay_executor.hpp"
#include "tests/support/fault_world.hpp"

namespace {

using namespace orrery;
using namespace orrery::test;

constexpr JobId kHost{0}, kFiller{1};
constexpr std::int64_t kTenPercent = 100'000;
constexpr std::int64_t kStepWork = milliseconds(20).ns * 20;  // of a step of the world

Allocation gpus_of(std::uint32_t node, int from, int to) {
  Allocation a;
  a.add({.node = NodeId(node), .gpus = GpuMask::range(from, to)});
  return a;
}

// Job 0 has two stages, of a GPU each; that of the second idles for 0.56 of each step as far as units of 400 ms go.
// Job 1 has such units.
struct FilledWorld : LiveWorld {
  FilledWorld(std::int64_t host_s, std::int64_t filler_s) {
    groups = cluster(2, 2);
    workload = make_workload({{0, 2, host_s}, {0, 1, filler_s}});
    workload.specs[0].bubbles = {seconds(10), 2, {{1, 1, seconds(4), 0}, {1, 2, seconds(1), 0}}};
    workload.specs[1].fills = {milliseconds(400), 0};
  }
  FillCost cost{.interference_ppm = kTenPercent};
};

// The host runs on node 0; once it has measured its speed alone, the filler runs in its bubbles, and while that
// costs more than 2 %, fills half as much. What the filler has left when the host is gone it does on node 1.
class HoldsTo : public Policy {
 public:
  std::int64_t limit_ppm = 20'000;
  bool waits = true;                  // for the host's own measure
  bool stands = false;                // once seen beside its filler, the host is suspended, and goes on alone
  std::vector<std::int64_t> alone{};  // the host's own measure of its speed, billionths
  std::vector<std::int64_t> seen{};   // of the host beside its filler, millionths
  std::vector<std::int32_t> rates{};  // that it was seen at
  std::vector<Work> done{};           // by the host then
  bool ends = false;                  // both are cancelled once the host is slowed by no more than that
  [[nodiscard]] EventMask wakes_on() const override {
    return Policy::wakes_on() | kProgress | kStop | mask_of(EventKind::started) | mask_of(EventKind::reconfigured) |
           mask_of(EventKind::suspended);
  }
  void schedule(const ClusterView& view, PlanBuilder& plan) override {
    const bool runs = view.state(kHost) == JobState::running && view.target(kHost) != nullptr;
    for (const JobView job : view.pending()) {
      if (job.id() == kHost) plan.run(kHost, gpus_of(0, 0, 2));
      if (job.id() != kFiller || holds_gpus(job.state)) continue;
      if (stands && view.state(kHost) == JobState::suspended) plan.run(kHost, gpus_of(0, 0, 2));
      if (stands && !seen.empty() && !is_final(view.state(kHost))) continue;
      if (runs && (!waits || view.job(kHost).measured != nullptr)) {
        RunConfig config;
        config.host = kHost;
        config.fill_per_mille = kWholeFill;
        plan.run(kFiller, gpus_of(0, 1, 2), config, Sharing::filler);
      } else if (is_final(view.state(kHost)) && ends) {
        plan.cancel(kFiller);
      } else if (is_final(view.state(kHost))) {
        plan.run(kFiller, gpus_of(1, 0, 1));
      }
    }
    for (const Event& e : view.since_last)
      if (e.kind() == EventKind::progress && e.job == kHost && runs) look(view, plan);
  }

 private:
  void look(const ClusterView& view, PlanBuilder& plan) {
    const Measured* const speed = view.job(kHost).measured;
    if (speed == nullptr || (!waits && alone.empty())) return;
    if (view.state(kFiller) != JobState::running) {
      alone.push_back(speed->rate.per_billion);
      return;
    }
    const auto millionths =
        static_cast<std::int64_t>(static_cast<Int128>(alone.back()) * 1'000'000 / speed->rate.per_billion);
    const std::int32_t fill = view.target(kFiller)->config.fill_per_mille;
    if (!rates.empty() && rates.back() == fill) return;  // told to change, and does not yet
    seen.push_back(millionths - 1'000'000);
    rates.push_back(fill);
    done.push_back(view.job(kHost).done);
    if (seen.back() > limit_ppm)
      plan.command({kFiller, Command::Kind::fill, {.fill_per_mille = fill / 2}});
    else if (stands)
      plan.suspend(kHost);
    else if (ends)
      plan.cancel(kHost);
  }
};

// Whatever it costs, all windows, at once.
class FillsAll final : public HoldsTo {
 public:
  FillsAll() {
    limit_ppm = 1'000'000;
    waits = false;
  }
};

struct FilledRun {
  Diary diary{};
  std::vector<JobRecord> records{};
  std::vector<live::LiveExecutor::Launch> launches{};
};

live::LiveOptions filled_options(const FilledWorld& w) {
  live::LiveOptions o = live_options(w);
  o.fill_cost = w.cost;
  return o;
}

SimOptions filled_world(const FilledWorld& w) {
  SimOptions o = sim_options(w);
  o.fill_cost = w.cost;
  return o;
}

void drive(Executor& executor, const FilledWorld& w, Policy& policy, FilledRun& r) {
  const IdealModel model;
  JobSource source(w.workload.specs, [](const JobSpec& s) { return s.user_estimate; });
  ControllerOptions options;
  options.check_views = true;
  InvariantChecker checker;
  Controller controller(executor, policy, source, w.workload.specs, w.workload.demands, model, options,
                        {&checker, &r.diary});
  CHECK(controller.run().status == RunStatus::completed);
  for (const Violation& v : checker.violations())
    FAIL_CHECK("invariant " << v.rule << " at " << to_seconds(v.at) << " s: " << v.text);
  r.records = controller.state().records();
}

// Live; then its batches are played to a policy like it, which must decide the same.
FilledRun play_live(const FilledWorld& w, HoldsTo& policy) {
  const HoldsTo fresh = policy;
  const Topology topology(w.groups);
  const IdealModel model;
  FilledRun r;
  Recording recording;
  live::LiveExecutor executor(topology, w.workload, model, live_engine(w, topology), filled_options(w));
  RecordingExecutor recorder(executor, recording);
  drive(recorder, w, policy, r);
  r.launches = executor.launches();
  ReplayExecutor past(topology, recording);
  HoldsTo other = fresh;
  FilledRun again;
  drive(past, w, other, again);
  CHECK(again.diary.plans == r.diary.plans);
  CHECK(other.seen == policy.seen);
  return r;
}

}  // namespace

// Reports are of four steps; two are dropped once the host has been told that it is slower, then 16 steps are
// measured. What it saves every five steps, between two reports, changes nothing.
TEST_CASE("live: an injected slow-down of 10 % is halved within 24 steps of the host, again and again",
          "[live][fillers]") {
  const auto saves = GENERATE(Duration{}, seconds(2));
  FilledWorld w(4000, 4000);
  w.checkpoints.every = saves;
  HoldsTo policy;
  policy.ends = true;
  std::int64_t step = 0, slowed = 0;
  std::vector<std::int64_t> slowed_at;  // steps that the host had reported when it was slowed otherwise
  w.see = [&](WatchedEngine&, const EngineEvent& e) {
    if (e.kind != EngineEvent::Kind::said || e.gang.value != 1) return;
    if (const auto* report = std::get_if<live::Step>(&e.message)) step = report->step;
    const auto* told = std::get_if<live::Slowed>(&e.message);
    if (told == nullptr || told->millionths == std::exchange(slowed, told->millionths)) return;
    slowed_at.push_back(step);
  };
  const FilledRun r = play_live(w, policy);
  REQUIRE(policy.rates == std::vector<std::int32_t>{1000, 500, 250, 125});
  for (std::size_t i = 0; i < 4; ++i) {
    CHECK(policy.seen[i] == Approx(kTenPercent * policy.rates[i] / 1000).margin(3));
    CHECK(policy.done[i].ns / kStepWork - slowed_at.at(i) == 24);
  }
  CHECK(r.diary.count(EventKind::reconfigured, 1) == 3);
  // What is left of it, and how sure that is.
  REQUIRE(r.launches[0].slowdown);
  CHECK(r.launches[0].slowdown == live::MeasuredSlowdown{12'500, 0, 16});
  CHECK(r.launches[0].shared);
  // When the host is cancelled, the filler is told to go, and has saved what it has done.
  CHECK(r.diary.count(EventKind::called_off, 1) == 1);
  CHECK(r.diary.count(EventKind::stopped, 1) == 1);
  CHECK(r.records[1].committed.ns > 0);
  CHECK(r.records[1].attained_before == GpuTime{});
}

// Its fillers leave when it stands still already.
TEST_CASE("live: a host that was suspended with a filler goes on as fast as alone", "[live][fillers]") {
  FilledWorld w(60, 4000);
  HoldsTo policy;
  policy.limit_ppm = 1'000'000;
  policy.stands = policy.ends = true;
  const FilledRun r = play_live(w, policy);
  CHECK(r.diary.count(EventKind::resumed, 0) == 1);
  REQUIRE(policy.seen.size() == 1);
  CHECK(policy.seen[0] == Approx(kTenPercent).margin(3));
  REQUIRE(policy.alone.size() >= 2);
  CHECK(policy.alone.back() == Approx(policy.alone.front()).epsilon(1e-5));
}

// Whoever dies, dies when the filler has saved for the third time; the host saves now and then, too.
TEST_CASE("live: a host that dies takes nothing of its filler's work; a filler that dies costs its host nothing",
          "[live][fillers]") {
  for (const std::uint64_t doomed : {1, 2}) {
    INFO("gang " << doomed);
    FilledWorld w(40, 24);
    w.checkpoints.every = seconds(2);
    FillsAll policy;
    int left = 3;
    w.see = [&](WatchedEngine& engine, const EngineEvent& e) {
      // By then the other one makes steps as well.
      if (e.kind != EngineEvent::Kind::said || e.gang.value != 2 || !std::holds_alternative<live::Saved>(e.message))
        return;
      if (--left == 0) kill_rank(engine.processes({doomed}).at(0));
    };
    const FilledRun r = play_live(w, policy);
    for (const JobRecord& j : r.records) CHECK(j.state == JobState::finished);
    const int died = doomed == 1 ? 0 : 1;
    CHECK(r.diary.count(EventKind::failed, died) == 1);
    CHECK(r.diary.count(EventKind::failed, 1 - died) == 0);
    CHECK(r.diary.count(EventKind::launch, 0) == (doomed == 1 ? 2 : 1));
    if (doomed == 1) CHECK(r.diary.count(EventKind::stopped, 1) >= 1);
    // No work of the filler is lost, or just what it had not saved.
    Work all{};
    for (const auto& l : r.launches)
      if (l.job == kFiller) all.ns += l.done.ns;
    CHECK(to_seconds(Duration{all.ns}) == Approx(24).margin(1));
    if (doomed == 2) CHECK(to_seconds(Duration{r.launches[0].done.ns}) == Approx(40));
  }
}

// The host, of 40 s, is slowed to 1 / 1.1 while the filler is there: until it ends. Then of the filler's 36 s of work
// those are left that it has not done at 0.56.
TEST_CASE("both worlds: a filler runs in the windows of its host, and goes on by itself", "[live][fillers]") {
  FilledWorld w(40, 36);
  const Topology topology(w.groups);
  const IdealModel model;
  const SimOptions sim = filled_world(w);
  std::vector<double> ends[2];
  for (const bool is_live : {false, true}) {
    FillsAll policy;
    FilledRun r;
    if (is_live) {
      r = play_live(w, policy);
    } else {
      SimExecutor simulated(topology, w.workload, model, sim);
      drive(simulated, w, policy, r);
    }
    for (const std::uint32_t job : {0U, 1U}) ends[is_live ? 1 : 0].push_back(r.diary.when(EventKind::finished, job));
    CHECK(r.diary.count(EventKind::stopped, 1) == 1);
    CHECK(r.diary.count(EventKind::launch, 1) == 2);
  }
  CHECK(ends[0][0] == Approx(44).margin(0.1));
  CHECK(ends[0][1] == Approx(44 + 36 - 44 * 0.56).margin(0.2));
  // Processes sleep as long as they should, or longer on a busy machine.
  for (std::size_t job = 0; job < 2; ++job) {
    CHECK(ends[1][job] > ends[0][job] - 2);
    CHECK(ends[1][job] < ends[0][job] + 120);
  }
}

TEST_CASE("live: a filler and its host are taken over from a simulated run", "[live][fillers]") {
  FilledWorld w(30, 30);
  const Topology topology(w.groups);
  const IdealModel model;
  const SimOptions sim = filled_world(w);
  FillsAll policy;
  SimExecutor simulated(topology, w.workload, model, sim);
  JobSource source(w.workload.specs, [](const JobSpec& s) { return s.user_estimate; });
  Controller before(simulated, policy, source, w.workload.specs, w.workload.demands, model, {}, {});
  before.begin();
  // Submission, the host's start, the filler's.
  while (before.state().record(kFiller).state != JobState::running && before.step()) {
  }
  WorldState state = before.world();
  live::LiveExecutor executor(topology, w.workload, model, live_engine(w, topology), filled_options(w), state.cluster,
                              state.now);
  HoldsTo other = policy;
  FilledRun r;
  Controller after(executor, other, state, {}, {&r.diary});
  CHECK(after.run().status == RunStatus::completed);
  for (const JobRecord& j : after.state().records()) CHECK(j.state == JobState::finished);
  CHECK(r.diary.count(EventKind::launch, 0) == 0);
  CHECK(r.diary.count(EventKind::launch, 1) == 1);  // by itself, when its host has ended
  CHECK(r.diary.when(EventKind::finished, 0) > 33 - 2);
  CHECK(r.diary.when(EventKind::finished, 0) < 33 + 120);
}
