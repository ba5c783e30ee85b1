// The checker's reckoning of work: in random worlds of every kind of speed it finds nothing, and it finds an executor
// whose jobs are a thousandth faster or slower than they should be.
#include <catch2/catch.hpp>

#include "sim/core/random.hpp"
#include "sim/models/speed/profiled_model.hpp"
#include "sim/models/speed/throughputs.hpp"
#include "tests/support/effort.hpp"
#include "tests/support/world.hpp"

namespace {

using namespace orrery;
using namespace orrery::test;

constexpr std::int64_t kGigabytes = 1'000'000'000;

enum WorkKind { kLinear, kNetwork, kAlone, kStretches, kPairs, kKinds };
constexpr const char* kNames[] = {"linear in GPUs", "shared links", "links alone", "stretches", "measured pairs"};

// A step of "net" takes 100 ms and 10 ms per sample; its progress by epochs, each slower than the one before.
ApplicationProfile net() {
  ApplicationProfile p;
  p.name = "net";
  for (const double b : {1.0, 4.0, 16.0, 64.0})
    for (int gpus = 1; gpus <= 8; ++gpus)
      for (int nodes = gpus > 4 ? 2 : 1; nodes <= std::min(gpus, 4); ++nodes)
        p.exact.push_back(
            {static_cast<std::uint64_t>(nodes), gpus - nodes + 1, gpus, b, 0.1 + 0.01 * b, 0.03 * nodes});
  BatchStats stats;
  stats.batch = 64;
  for (int e = 1; e <= 5; ++e) stats.epochs.push_back({400.0 * e, 400.0 * e, 1.0, 10.0 / e});
  p.batches = {stats};
  p.shared = {{{64, 0.9, 1}, {64, 0.9, 1}}};
  return p;
}

ThroughputSet work_pairs() {
  ThroughputSet t;
  t.name = "pairs";
  for (int gpus = 1; gpus <= 8; ++gpus)
    for (const bool spread : {false, true})
      t.alone.push_back({{"net", "", 0, gpus}, "gpu", spread, (spread ? 0.8 : 1.0) * gpus});
  for (int gpus = 1; gpus <= 4; ++gpus)
    t.pairs.push_back({{"net", "", 0, gpus}, {"net", "", 0, gpus}, "gpu", 0.7, 0.6});
  return t;
}

struct WorkWorld {
  std::vector<NodeGroup> groups;
  Workload work;
  SimOptions sim;
  PolicyChoice policy;
  std::shared_ptr<const PerformanceModel> speed;
  std::optional<NetworkModel> network;
};

void add_trouble(SimOptions& sim, RandomStream& rng, std::uint64_t seed) {
  sim.overheads.launch = seconds(static_cast<std::int64_t>(uniform_below(rng, 20)));
  sim.overheads.stop = seconds(static_cast<std::int64_t>(uniform_below(rng, 10)));
  if (uniform_below(rng, 2) == 0) sim.progress_every = seconds(17);
  if (uniform_below(rng, 2) == 0)
    sim.checkpoints = {seconds(static_cast<std::int64_t>(30 + uniform_below(rng, 200))),
                       seconds(static_cast<std::int64_t>(uniform_below(rng, 40)))};
  if (uniform_below(rng, 2) == 0) sim.failures = {seconds(1500), seconds(300), seed};
  if (uniform_below(rng, 2) == 0) {
    sim.failures.seed = seed;
    sim.failures.stragglers.node_mtbs = seconds(400);
    sim.failures.stragglers.lasts = seconds(150);
  }
}

std::unique_ptr<WorkWorld> random_world(WorkKind kind, std::uint64_t seed) {
  RandomStream rng = stream(seed, "tests/work");
  auto w = std::make_unique<WorkWorld>();
  const bool elastic = kind == kLinear || kind == kStretches;
  w->groups = cluster(static_cast<int>(2 + uniform_below(rng, 3)), 4);
  w->groups[0].rack_size = 2;
  w->groups[0].nic_bytes_per_s = 10 * kGigabytes;
  w->groups[0].uplink_bytes_per_s = 5 * kGigabytes;
  std::vector<TinyJob> jobs;
  std::int64_t submit = 0;
  for (std::uint64_t n = 5 + uniform_below(rng, 8); n > 0; --n) {
    TinyJob j;
    j.submit_s = submit;
    j.gpus = static_cast<std::int32_t>(1 + uniform_below(rng, uniform_below(rng, 3) == 0 ? 8 : 3));
    j.duration_s = static_cast<std::int64_t>(1 + uniform_below(rng, 900));
    if (elastic && uniform_below(rng, 3) != 0) {
      j.min_gpus = static_cast<std::int32_t>(1 + uniform_below(rng, static_cast<std::uint64_t>(j.gpus)));
      j.max_gpus = std::min<std::int32_t>(8, j.gpus + static_cast<std::int32_t>(uniform_below(rng, 5)));
    }
    jobs.push_back(j);
    submit += static_cast<std::int64_t>(uniform_below(rng, 200));
  }
  w->work = make_workload(jobs);
  add_trouble(w->sim, rng, seed);
  static constexpr const char* kRigid[] = {"fifo", "srtf", "las", "tiresias", "easy"};
  static constexpr const char* kElastic[] = {"optimus", "titan", "fifo", "srtf"};
  static constexpr const char* kPlacements[] = {"count", "random", "spread"};
  w->policy = {elastic ? kElastic[uniform_below(rng, 4)] : kRigid[uniform_below(rng, 5)],
               kPlacements[uniform_below(rng, 3)]};
  return w;
}

// The world's speeds, made when its workload and topology stay where they are.
void add_speed(WorkWorld& w, WorkKind kind, const Topology& topology, RandomStream& rng) {
  w.speed = std::make_shared<IdealModel>();
  if (kind == kNetwork || kind == kAlone)
    w.network.emplace(topology, w.work.specs, StepTraffic{seconds(1), 15 * kGigabytes, 200},
                      std::map<std::string, StepTraffic>{});
  if (kind == kNetwork) w.sim.network = &*w.network;
  if (kind == kNetwork || kind == kAlone) w.speed = std::shared_ptr<PerformanceModel>(&*w.network, [](auto*) {});
  const bool halves = (kind == kStretches || kind == kPairs) && uniform_below(rng, 2) == 0;
  if (halves) {
    for (JobSpec& s : w.work.specs) s.demand.gpus = s.min_gpus = s.max_gpus = 1;
    half_a_gpu_each(w.work);
  }
  if (kind == kStretches) {
    auto model = ProfiledModel::compile({net()}, 4).value();
    for (JobSpec& s : w.work.specs) {
      REQUIRE(model->add({"net", 64, s.demand.gpus, 0}, true));
      w.work.truths[s.id.index()].work = Work{model->reference_time().ns};
    }
    w.speed = model;
  }
  if (kind == kPairs) {
    auto model = ThroughputModel::compile(work_pairs(), topology, "gpu").value();
    for (const JobSpec& s : w.work.specs) REQUIRE(model->add({{"net", "", 0, s.demand.gpus}, 0}, 0, true));
    w.speed = model;
  }
}

// As another model, but so many thousandths as fast.
class Liar final : public PerformanceModel {
 public:
  Liar(const PerformanceModel& truth, std::int64_t per_mille) : truth_(&truth), per_mille_(per_mille) {}
  [[nodiscard]] Speed speed(const JobSpec& s, const Shape& g, const RunConfig& c,
                            std::span<const JobId> with) const override {
    return {Rate{truth_->speed(s, g, c, with).rate.per_billion * per_mille_ / 1000}};
  }
  [[nodiscard]] Duration start_cost(const JobSpec& s, const Allocation& g) const override {
    return truth_->start_cost(s, g);
  }
  [[nodiscard]] bool minds_neighbours() const override { return truth_->minds_neighbours(); }
  [[nodiscard]] bool in_stretches() const override { return truth_->in_stretches(); }
  [[nodiscard]] Stretch stretch(const JobSpec& s, const Allocation& g, const RunConfig& c, Work done) const override {
    Stretch out = truth_->stretch(s, g, c, done);
    if (out.left != kForever) out.left = Duration{out.left.ns * 1000 / per_mille_};
    return out;
  }
  [[nodiscard]] Rate share(const JobSpec& s, const Allocation& g, std::span<const JobId> with) const override {
    return truth_->share(s, g, with);
  }

 private:
  const PerformanceModel* truth_;
  std::int64_t per_mille_;
};

// A stretch a second, and how often it was asked for one.
class Staircase final : public PerformanceModel {
 public:
  [[nodiscard]] Speed speed(const JobSpec&, const Shape&, const RunConfig&, std::span<const JobId>) const override {
    return {kUnitRate};
  }
  [[nodiscard]] bool in_stretches() const override { return true; }
  [[nodiscard]] Stretch stretch(const JobSpec&, const Allocation&, const RunConfig&, Work done) const override {
    ++asked;
    return {done + Work{seconds(1).ns}, seconds(1)};
  }
  mutable int asked = 0;
};

// What the checker finds when jobs run so many thousandths as fast as it thinks.
std::vector<Violation> run(WorkKind kind, std::uint64_t seed, std::int64_t per_mille, std::string* what = nullptr) {
  const auto w = random_world(kind, seed);
  const Topology topology(w->groups);
  RandomStream rng = stream(seed, "tests/work/speed");
  add_speed(*w, kind, topology, rng);
  const Liar liar(*w->speed, per_mille);
  const bool lies = per_mille != 1000;
  SimOptions sim = w->sim;
  if (lies) sim.network = nullptr;  // the liar's jobs are alone on the links
  SimExecutor executor(topology, w->work, lies ? static_cast<const PerformanceModel&>(liar) : *w->speed, sim);
  JobSource source(w->work.specs, [](const JobSpec& s) { return s.user_estimate; });
  InvariantChecker checker(watched(w->work, *w->speed, w->sim));
  const auto policy = make_policy(w->policy);
  ControllerOptions options;
  const Inventory empty(topology);
  const auto placement = make_placement(w->policy.placement, 1);
  options.feasible = [&](const Demand& d) {
    Allocation a;
    return placement->place(d, empty, a);
  };
  Controller controller(executor, *policy, source, w->work.specs, w->work.demands, *w->speed, options, {&checker});
  const RunOutcome outcome = controller.run();
  INFO(kNames[kind] << ", seed " << seed << ", " << w->policy.name << "/" << w->policy.placement);
  CHECK(outcome.status == RunStatus::completed);
  if (what != nullptr)
    *what = fmt::format("{}, seed {}, {}/{}", kNames[kind], seed, w->policy.name, w->policy.placement);
  return checker.violations();
}

}  // namespace

TEST_CASE("work is conserved under every kind of speed", "[exec][work]") {
  for (int kind = 0; kind < kKinds; ++kind)
    for (std::uint64_t seed = 1; seed <= share_of(60U); ++seed) {
      std::string what;
      const auto found = run(static_cast<WorkKind>(kind), seed, 1000, &what);
      INFO(what);
      for (const Violation& v : found)
        FAIL_CHECK(v.rule << " at " << to_seconds(v.at) << " s, job " << v.job.value << ": " << v.text);
    }
}

TEST_CASE("an executor whose jobs are too fast or too slow is caught", "[exec][work]") {
  for (int kind = 0; kind < kKinds; ++kind)
    for (const std::int64_t per_mille : {999, 1001})
      for (std::uint64_t seed = 1; seed <= 3; ++seed) {
        INFO(kNames[kind] << ", seed " << seed << ", speed " << per_mille);
        const auto found = run(static_cast<WorkKind>(kind), seed, per_mille);
        REQUIRE_FALSE(found.empty());
        CHECK(found[0].rule == "work");
      }
}

// Every look at a job went through all of its stretches since its start: 13 s for Sia's 160 jobs of 100 stretches
// each, whose run takes 0.2 s.
TEST_CASE("what the checker asks for grows with the stretches of a job, not with their square", "[exec][work]") {
  constexpr int kSeconds = 400;
  const Workload w = make_workload({{0, 1, kSeconds}, {0, 1, kSeconds}});
  const Topology topology(cluster(1, 2));
  for (const Duration save : {Duration{}, seconds(3)}) {
    const Staircase truth, counted;
    SimOptions sim;
    if (save.ns > 0) sim.checkpoints = {seconds(50), save, {}};
    SimExecutor executor(topology, w, truth, sim);
    JobSource source(w.specs, [](const JobSpec& s) { return s.user_estimate; });
    InvariantChecker checker(watched(w, counted, sim));
    const auto policy = make_policy({"fifo"});
    Controller controller(executor, *policy, source, w.specs, w.demands, truth, {}, {&checker});
    CHECK(controller.run().status == RunStatus::completed);
    check_clean(checker);
    CHECK(counted.asked < 50 * kSeconds);
  }
}

// [1x4] a(2 GPUs, 1000 s, 1 to 4 GPUs)@0: alone it has all four, and half its time. Titan, which decides every 120 s,
// counts less than a period as one: at 480 s it has done 960 s and goes on, on its least, for 80 s.
TEST_CASE("elastic jobs of a plain trace finish when their work is done", "[exec][work]") {
  for (const auto& [policy, finish_s] : {std::pair{"optimus", 500.0}, std::pair{"titan", 560.0}}) {
    INFO(policy);
    const RunResult r = run_world(cluster(1, 4), {{0, 2, 1000, {}, 1, 4}}, {policy});
    CHECK(r.jobs[0].state == JobState::finished);
    CHECK(r.jobs[0].finish_s == finish_s);
  }
}

TEST_CASE("elastic jobs under every policy", "[exec][work]") {
  for (const PolicyInfo& info : policy_table()) {
    if (info.name == "scripted") continue;
    for (std::uint64_t seed = 1; seed <= 4; ++seed) {
      INFO(info.name << ", seed " << seed);
      RandomStream rng = stream(seed, "tests/work/elastic");
      std::vector<TinyJob> jobs;
      for (int i = 0; i < 10; ++i) {
        TinyJob j{static_cast<std::int64_t>(30 * i), static_cast<std::int32_t>(1 + uniform_below(rng, 4)),
                  static_cast<std::int64_t>(1 + uniform_below(rng, 1000))};
        j.min_gpus = static_cast<std::int32_t>(1 + uniform_below(rng, static_cast<std::uint64_t>(j.gpus)));
        j.max_gpus = j.gpus + static_cast<std::int32_t>(uniform_below(rng, 4));
        jobs.push_back(j);
      }
      const RunResult r = run_world(cluster(2, 4), jobs, {std::string(info.name)});
      CHECK(r.outcome.unfinished == 0);
    }
  }
}
