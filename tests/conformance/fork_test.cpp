// A run that is forked goes on as it would have: the state of the control plane, the simulated world and the policy
// are copied at every tenth event, and the copies run to the end. Every policy of the registry, and every simulator's
// version of one; in a world with all that a simulated world can do.
#include <catch2/catch.hpp>

#include <typeinfo>

#include "sim/control/history_estimates.hpp"
#include "sim/core/random.hpp"
#include "sim/observe/metrics/fold.hpp"
#include "sim/observe/metrics/tables.hpp"
#include "tests/support/effort.hpp"
#include "tests/support/fingerprint.hpp"
#include "tests/support/world.hpp"

namespace {

using namespace orrery;
using namespace orrery::test;

struct ForkWorld {
  std::vector<NodeGroup> groups = cluster(4, 4);
  Workload work;
  SimOptions sim{};
  std::optional<StepTraffic> links{};
};

// Elastic jobs, some of which start from what others publish.
std::vector<TinyJob> fork_jobs(std::uint64_t seed) {
  RandomStream rng = stream(seed, "tests/fork");
  std::vector<TinyJob> jobs;
  std::int64_t submit = 0;
  for (int i = 0; i < 24; ++i) {
    TinyJob j;
    j.submit_s = submit;
    j.gpus = static_cast<std::int32_t>(1 + uniform_below(rng, 8));
    j.min_gpus = static_cast<std::int32_t>(1 + uniform_below(rng, static_cast<std::uint64_t>(j.gpus)));
    j.max_gpus = j.gpus + static_cast<std::int32_t>(uniform_below(rng, 4));
    j.duration_s = static_cast<std::int64_t>(60 + uniform_below(rng, 1500));
    j.estimate_s = 1 + j.duration_s * static_cast<std::int64_t>(50 + uniform_below(rng, 150)) / 100;
    jobs.push_back(j);
    submit += static_cast<std::int64_t>(uniform_below(rng, 120));
  }
  return jobs;
}

// Failures, slow nodes, saves, shared features, publications, versions, overheads, reports, and links that are
// shared.
ForkWorld rich_world() {
  ForkWorld w;
  w.groups[0].rack_size = 2;
  w.groups[0].nic_bytes_per_s = 10'000'000'000;
  w.groups[0].uplink_bytes_per_s = 5'000'000'000;
  w.work = make_workload(fork_jobs(1));
  for (std::uint32_t child = 5; child < 24; child += 4) {
    w.work.specs[child].after = {{JobId(child - 4), child % 8 == 1, 400}};
    w.work.truths[child].sources = {{JobId(child - 4), 300}};
  }
  // Every other job is a probe; the store holds one of the two sets of features.
  for (std::uint32_t probe = 1; probe < 24; probe += 2)
    w.work.specs[probe].features = {1 + probe / 2 % 2, Duration{w.work.truths[probe].work.ns / 3}, seconds(5), 2};
  w.sim.features = {true, 3, 0, 1};
  w.sim.overheads.launch = seconds(3);
  w.sim.overheads.stop = seconds(2);
  w.sim.overheads.restart = OverheadModel::Restart::constant;
  w.sim.overheads.restart_default = seconds(10);
  w.sim.checkpoints = {seconds(170), seconds(4)};
  w.sim.publishes = {200, seconds(3)};
  w.sim.progress_every = seconds(90);
  w.sim.failures = {seconds(4000), seconds(200), 3, {{NodeId(1), at_seconds(300), at_seconds(500)}}};
  w.sim.failures.stragglers.node_mtbs = seconds(900);
  w.sim.failures.stragglers.lasts = seconds(200);
  w.links = StepTraffic{seconds(1), 15'000'000'000, 200};
  return w;
}

ForkWorld plain_world() {
  ForkWorld w;
  w.work = make_workload(fork_jobs(2));
  return w;
}

// What a run has said so far, as a value: its log and its tables.
class ToldSoFar final : public Observer {
 public:
  ToldSoFar(const std::shared_ptr<const JobTable>& jobs, std::vector<std::int32_t> node_gpus)
      : fold_(jobs, std::move(node_gpus)) {}
  void on_event(const Event& e) override {
    log_.on_event(e);
    fold_.on_event(e);
  }
  void on_plan(Time now, std::uint64_t epoch, const Plan& plan) override {
    log_.on_plan(now, epoch, plan);
    fold_.on_plan(now, epoch, plan);
  }
  void on_batch_end(Time now) override { fold_.on_batch_end(now); }
  void on_end(Time now) override { fold_.on_end(now); }
  [[nodiscard]] std::string text() const {
    std::string out = fmt::format("{:016x}\n", log_.value());
    const auto sink = [&out](std::string_view part) { out += part; };
    write_jobs_csv(fold_, sink);
    write_samples_csv(fold_.samples(), sink);
    return out;
  }

 private:
  Fingerprint log_;
  MetricsFold fold_;
};

// How it ended: every job's record.
std::string final_state(const ClusterState& state) {
  std::string out;
  for (const JobRecord& r : state.records())
    out += fmt::format("{} {} {} {} {} {} {} {} {}\n", r.spec->id.value, to_string(r.state), r.since.ns,
                       r.incarnation, r.preemptions, r.failures, r.done.ns, r.committed.ns, r.ran_before.ns);
  return out;
}

struct ForkedRun {
  int forks = 0, differing = 0;
};

// At which events a run is forked: every tenth of them, or on each turn others of these.
class Forks {
 public:
  explicit Forks(std::size_t turn) : next_(10 * (1 + turn % 5)) {}
  bool due(std::uint64_t events) {
    if (events < next_) return false;
    next_ = events + std::max<std::uint64_t>(10, 10'000 / effort());
    return true;
  }

 private:
  std::uint64_t next_;
};

// Runs the policy to the end, and from every tenth event on a copy of everything.
ForkedRun run_with_forks(const ForkWorld& w, const PolicyChoice& choice, bool history, std::size_t turn) {
  const Topology topology(w.groups);
  const IdealModel ideal;
  std::optional<NetworkModel> network;
  if (w.links) network.emplace(topology, w.work.specs, *w.links, std::map<std::string, StepTraffic>{});
  const PerformanceModel& speed = network ? static_cast<const PerformanceModel&>(*network) : ideal;
  SimOptions sim = w.sim;
  if (network) sim.network = &*network;
  auto jobs = std::make_shared<JobTable>();
  for (const JobSpec& s : w.work.specs) jobs->push_back({s.name, "", "", "", s.demand.gpus, s.demand.milli_gpus()});
  const auto estimates = [history](const HistoryEstimates& from) {
    return [history, &from](const JobSpec& s) { return history ? from.estimate(s) : s.user_estimate; };
  };
  ControllerOptions options;
  options.retry_budget = 100;

  SimExecutor executor(topology, w.work, speed, sim);
  HistoryEstimates past;
  JobSource source(w.work.specs, estimates(past));
  const auto policy = make_policy(choice);
  ToldSoFar told(jobs, gpus_by_node(topology));
  Controller controller(executor, *policy, source, w.work.specs, w.work.demands, speed, options, {&past, &told});

  struct Ended {
    std::string told, state;
  };
  std::vector<Ended> forks;
  const auto fork = [&] {
    SimExecutor world = executor;
    WorldState state = controller.world();
    const auto decides = policy->clone();
    REQUIRE(decides != nullptr);
    const Policy &mine = *policy, &its = *decides;
    REQUIRE(typeid(its) == typeid(mine));
    HistoryEstimates its_past = past;
    state.source.ask(estimates(its_past));
    ToldSoFar its_told = told;
    ControllerOptions checked = options;
    checked.check_views = forks.size() % 8 == 0;
    Controller other(world, *decides, state, checked, {&its_past, &its_told});
    its_past.on_begin({&topology, &other.state().records(), &other.state().physical(), &other.state().planned()});
    while (other.step()) {
    }
    REQUIRE(other.end().status == RunStatus::completed);
    forks.push_back({its_told.text(), final_state(other.state())});
  };
  controller.begin();
  fork();  // before anything has happened
  Forks due(turn);
  while (controller.step())
    if (due.due(controller.events())) fork();
  REQUIRE(controller.end().status == RunStatus::completed);
  const std::string told_text = told.text(), state = final_state(controller.state());
  ForkedRun r;
  for (const Ended& e : forks) {
    ++r.forks;
    r.differing += e.told == told_text && e.state == state ? 0 : 1;
  }
  return r;
}

}  // namespace

TEST_CASE("a run forked at every tenth event goes on as it would have: every policy", "[conformance][fork]") {
  std::size_t turn = 0;
  for (const PolicyInfo& info : policy_table()) {
    INFO("policy " << info.name);
    const ForkedRun rich = run_with_forks(rich_world(), {std::string(info.name), "random"}, false, turn);
    CHECK(rich.forks >= share_of(21));
    CHECK(rich.differing == 0);
    const ForkedRun plain = run_with_forks(plain_world(), {std::string(info.name), "count"}, true, turn);
    CHECK(plain.forks >= share_of(6, 2));
    CHECK(plain.differing == 0);
    ++turn;
  }
}

TEST_CASE("a run forked at every tenth event goes on as it would have: simulators' versions", "[conformance][fork]") {
  std::size_t turn = 0;
  for (const Emulation& e : emulations())
    for (const EmulatedPolicy& p : e.policies) {
      INFO("policy " << p.name << ", emulate " << e.name);
      const std::string placement(e.placement(p.name));
      ForkWorld world = plain_world();
      if (e.progress != nullptr) world.sim.rule = e.progress(p.name);
      const PolicyChoice choice{std::string(p.name), placement, {}, std::string(e.name)};
      const ForkedRun run = run_with_forks(world, choice, false, turn++);
      CHECK(run.forks >= share_of(6, 2));
      CHECK(run.differing == 0);
    }
}

TEST_CASE("a placement that is copied draws what the original would draw", "[conformance][fork]") {
  const auto random = make_placement("random", 7);
  for (const PlacementInfo& info : placement_table()) {
    INFO("placement " << info.name);
    const auto made = info.make(7);
    const auto copy = made->clone();
    CHECK(copy->name() == made->name());
    CHECK(copy->counting() == made->counting());
    CHECK(copy->stream_state() == made->stream_state());
  }
  const Topology topology(cluster(8, 1));
  const Inventory all(topology);
  Allocation first, again, later;
  Demand two;
  two.gpus = 2;
  const auto copy = random->clone();
  REQUIRE(random->place(two, all, first));
  REQUIRE(copy->place(two, all, again));
  CHECK(first == again);
  REQUIRE(random->place(two, all, later));
  CHECK(copy->stream_state() != random->stream_state());
}

namespace {

// Runs the policy to the end, and from every tenth event on a world made of what the control plane knows: how many of
// those there were, and in how many a job ended at another time.
ForkedRun run_with_forecasts(const ForkWorld& w, const PolicyChoice& choice, std::size_t turn) {
  const Topology topology(w.groups);
  const IdealModel ideal;
  SimExecutor executor(topology, w.work, ideal, w.sim);
  JobSource source(w.work.specs, [](const JobSpec& s) { return s.user_estimate; });
  const auto policy = make_policy(choice);
  ControllerOptions options;
  options.retry_budget = 100;
  Controller controller(executor, *policy, source, w.work.specs, w.work.demands, ideal, options, {});
  std::vector<std::vector<Time>> ends;
  const auto ends_of = [](const ClusterState& state) {
    std::vector<Time> out;
    for (const JobRecord& r : state.records()) out.push_back(r.since);
    return out;
  };
  controller.begin();
  Forks due(turn);
  while (controller.step()) {
    if (!due.due(controller.events())) continue;
    WorldState state = controller.world();
    SimExecutor ahead(topology, w.work, ideal, w.sim, state.cluster, state.now);
    const auto decides = policy->clone();
    Controller forecast(ahead, *decides, state, options, {});
    CHECK(forecast.run().status == RunStatus::completed);
    ends.push_back(ends_of(forecast.state()));
  }
  CHECK(controller.end().status == RunStatus::completed);
  ForkedRun r;
  for (const std::vector<Time>& e : ends) {
    ++r.forks;
    r.differing += e == ends_of(controller.state()) ? 0 : 1;
  }
  return r;
}

// Overheads; saves that take no time.
ForkWorld known_world() {
  ForkWorld w;
  w.work = make_workload(fork_jobs(3));
  w.sim.overheads.launch = seconds(3);
  w.sim.overheads.stop = seconds(2);
  w.sim.overheads.restart = OverheadModel::Restart::constant;
  w.sim.overheads.restart_default = seconds(10);
  w.sim.failures.outages = {{NodeId(1), at_seconds(300), at_seconds(900)},
                            {NodeId(2), at_seconds(950), at_seconds(990)}};
  return w;
}

constexpr const char* kForecastPolicies[] = {"fifo", "easy", "conservative", "srtf", "srsf", "tiresias", "drf"};

}  // namespace

// The control plane knows where jobs run and what they have done; with true estimates and saves that take no time, a
// world made of that alone has the same future.
TEST_CASE("a simulated world made of what the control plane knows ends as the run does", "[conformance][fork]") {
  std::size_t turn = 0;
  for (const char* name : kForecastPolicies) {
    INFO("policy " << name);
    const ForkedRun run = run_with_forecasts(known_world(), {name}, turn++);
    CHECK(run.forks >= share_of(6));
    CHECK(run.differing == 0);
  }
}

// Nodes that fail and come back by chance do so when they would have: those that are up, and those that are away.
TEST_CASE("a simulated world made of what the control plane knows has the same failures by chance",
          "[conformance][fork]") {
  std::size_t turn = 0;
  for (const char* name : kForecastPolicies) {
    ++turn;
    for (const std::size_t draw : some_of(3, turn)) {
      const std::uint64_t seed = 1 + draw;
      INFO("policy " << name << ", seed " << seed);
      ForkWorld w = known_world();
      w.sim.failures.node_mtbf = seconds(1500);
      w.sim.failures.repair = seconds(300);
      w.sim.failures.seed = seed;
      const ForkedRun run = run_with_forecasts(w, {name}, turn);
      CHECK(run.forks >= share_of(6));
      CHECK(run.differing == 0);
    }
  }
}

// Children that have started go on from the version that they started from, though there are newer ones by now.
TEST_CASE("a simulated world made of what the control plane knows leaves children the work that they have",
          "[conformance][fork]") {
  std::size_t turn = 0;
  for (const char* name : kForecastPolicies) {
    INFO("policy " << name);
    ForkWorld w = known_world();
    for (std::uint32_t child = 5; child < 24; child += 2) {
      w.work.specs[child].after = {{JobId(child - 4), child % 4 == 1, 300}, {JobId(child - 5), false, 1000}};
      w.work.truths[child].sources = {{JobId(child - 4), 600}, {JobId(child - 5), 300}};
    }
    w.sim.publishes.every_per_mille = 100;
    const ForkedRun run = run_with_forecasts(w, {name}, turn++);
    CHECK(run.forks >= share_of(6));
    CHECK(run.differing == 0);
  }
}
