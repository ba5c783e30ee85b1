// Reservations of easy and conservative: what is promised is kept, under every placement and for every kind of
// demand; nobody waits who could run without doing harm; and what no estimate covers is not promised at all.
#include <catch2/catch.hpp>

#include "sim/core/random.hpp"
#include "sim/models/lifecycle/checkpoint_cost.hpp"
#include "sim/models/lifecycle/transfer.hpp"
#include "tests/support/effort.hpp"
#include "tests/support/world.hpp"

namespace {

using namespace orrery;
using namespace orrery::test;

struct Wanted {
  std::int64_t submit_s = 0;
  Demand demand{};
  std::int64_t duration_s = 1;
  std::optional<std::int64_t> estimate_s{};
};

Demand gpus(std::int32_t n, GpuTypeMask types = 0) {
  Demand d;
  d.gpus = n;
  d.gpu_types = types;
  return d;
}
Demand part_of_a_gpu(std::int32_t milli) {
  Demand d;
  d.milli_per_gpu = milli;
  return d;
}
Demand cpus(std::int64_t cores) {
  Demand d;
  d.gpus = 0;
  d.cpu_milli = 1000 * cores;
  return d;
}

// Every job's estimate is its run time unless it says otherwise; in order of submission.
Workload workload_of(std::vector<Wanted> asks, bool estimates = true) {
  std::stable_sort(asks.begin(), asks.end(),
                   [](const Wanted& a, const Wanted& b) { return a.submit_s < b.submit_s; });
  Workload w;
  for (const Wanted& ask : asks) {
    JobSpec s;
    s.id = JobId(static_cast<std::uint32_t>(w.specs.size()));
    s.name = fmt::format("j{}", s.id.value);
    s.submit = at_seconds(ask.submit_s);
    s.demand = ask.demand;
    s.min_gpus = s.max_gpus = s.demand.gpus;
    s.demand_class = w.demands.intern(s.demand);
    if (estimates) s.user_estimate = seconds(ask.estimate_s.value_or(ask.duration_s));
    w.specs.push_back(s);
    w.truths.push_back({Work{seconds(ask.duration_s).ns}});
  }
  return w;
}

std::vector<double> starts_of(const RunResult& r) {
  std::vector<double> out;
  for (const Outcome& j : r.jobs) out.push_back(j.start_s);
  return out;
}

std::vector<double> starts(const std::vector<NodeGroup>& groups, const std::vector<Wanted>& asks,
                           const PolicyChoice& choice) {
  const auto policy = make_policy(choice);
  return starts_of(run_checked(groups, workload_of(asks), *policy));
}

// Holds every job's first promised start against when it was launched.
class FirstPromises final : public Observer {
 public:
  void on_plan(Time, std::uint64_t, const Plan& plan) override {
    for (const Reservation& r : plan.reservations) promised_.try_emplace(r.job, r.start);
  }
  void on_event(const Event& e) override {
    if (e.kind() != EventKind::launch || e.incarnation != 1) return;
    const auto it = promised_.find(e.job);
    if (it == promised_.end()) return;
    ++made;
    if (e.at > it->second) ++broken;
  }
  int made = 0, broken = 0;

 private:
  std::map<JobId, Time> promised_;
};

// One to three kinds of nodes, of different widths, with or without types, CPUs and memory that matter.
std::vector<NodeGroup> random_cluster(RandomStream& rng) {
  std::vector<NodeGroup> groups;
  const bool amounts = uniform_below(rng, 2) == 0;
  const std::uint64_t kinds = 1 + uniform_below(rng, 3);
  for (std::uint64_t k = 0; k < kinds; ++k) {
    NodeGroup g;
    g.name = fmt::format("g{}", k);
    g.count = static_cast<int>(1 + uniform_below(rng, 4));
    g.gpus_per_node = 1 << uniform_below(rng, 4);
    g.gpu = fmt::format("type{}", uniform_below(rng, 2) == 0 ? 0 : k);
    g.rack_size = static_cast<int>(uniform_below(rng, 3));
    if (amounts) {
      g.cpu_milli = 4000 * g.gpus_per_node;
      g.mem_bytes = std::int64_t{g.gpus_per_node} << 33;
    }
    groups.push_back(g);
  }
  return groups;
}

Demand random_demand(RandomStream& rng, std::size_t types, bool mixed) {
  Demand d = gpus(static_cast<std::int32_t>(1 + uniform_below(rng, 10)));
  if (!mixed) return d;
  const std::uint64_t kind = uniform_below(rng, 8);
  if (kind == 0) return cpus(static_cast<std::int64_t>(1 + uniform_below(rng, 8)));
  if (kind < 3) d = part_of_a_gpu(static_cast<std::int32_t>(100 * (1 + uniform_below(rng, 9))));
  if (uniform_below(rng, 2) == 0) d.gpu_types = 1u << uniform_below(rng, types);
  if (uniform_below(rng, 2) == 0) {
    d.cpu_milli = 1000 * d.gpus * static_cast<std::int64_t>(uniform_below(rng, 9));
    d.mem_bytes = d.gpus * static_cast<std::int64_t>(uniform_below(rng, 9)) << 30;
  }
  return d;
}

// Jobs that the idle cluster could hold, each of them.
std::vector<Wanted> random_asks(RandomStream& rng, const Topology& topology, Placement& placement, bool mixed) {
  std::vector<Wanted> asks;
  const Inventory idle(topology);
  const std::uint64_t wanted = 10 + uniform_below(rng, 30);
  while (asks.size() < wanted) {
    Wanted a;
    a.submit_s = static_cast<std::int64_t>(uniform_below(rng, 1200));
    a.duration_s = static_cast<std::int64_t>(1 + uniform_below(rng, 500));
    if (uniform_below(rng, 2) == 0)
      a.estimate_s = a.duration_s * static_cast<std::int64_t>(1 + uniform_below(rng, 3));
    a.demand = random_demand(rng, topology.gpu_types().size(), mixed);
    Allocation where;
    if (placement.place(a.demand, idle, where)) asks.push_back(a);
  }
  return asks;
}

// Calls f(groups, workload, choice) for random worlds under every placement and `choices`.
template <class F>
void in_random_worlds(const char* name, int rounds, bool estimates, const std::vector<PolicyChoice>& choices, F f) {
  RandomStream rng = stream(1, name);
  for (int round = 0; round < share_of(rounds); ++round) {
    for (const PlacementInfo& placement : placement_table()) {
      const auto groups = random_cluster(rng);
      const Topology topology(groups);
      const auto judge = make_placement(placement.name, 1);
      const Workload w = workload_of(random_asks(rng, topology, *judge, round % 4 != 0), estimates);
      for (PolicyChoice choice : choices) {
        choice.placement = placement.name;
        const auto depth = choice.options.find("depth");
        INFO("round " << round << ", " << choice.name << (depth == choice.options.end() ? "" : " " + depth->second)
                      << "/" << placement.name);
        f(groups, w, choice);
      }
    }
  }
}

const std::vector<PolicyChoice> kBackfilling{
    {"easy"}, {"easy", "", {{"depth", "2"}}}, {"easy", "", {{"depth", "5"}}}, {"conservative"}};

}  // namespace

// a, c: 2 GPUs for 40 s; b, d: 2 for 90 s, a and b on the first node. Four GPUs on one node are there at 90; at 40
// two of each node are free, which do the wide job no good.
TEST_CASE("a reservation is for the nodes that the placement needs", "[policies][reservations]") {
  const std::vector<Wanted> asks{{0, gpus(2), 40}, {0, gpus(2), 90},  {0, gpus(2), 40}, {0, gpus(2), 90},
                                 {1, gpus(4), 60}, {2, gpus(2), 300}, {3, gpus(2), 300}};
  for (const char* placement : {"consolidated", "yarn", "buddy", "fewest"}) {
    INFO(placement);
    CHECK(starts(cluster(2, 4), asks, {"conservative", placement}) == std::vector<double>{0, 0, 0, 0, 90, 40, 90});
    CHECK(starts(cluster(2, 4), asks, {"easy", placement}) == std::vector<double>{0, 0, 0, 0, 90, 40, 90});
  }
}

TEST_CASE("a reservation is for the GPU type that the job asks for", "[policies][reservations]") {
  std::vector<NodeGroup> groups = cluster(2, 1);
  groups.push_back(groups[0]);
  groups[0].gpu = "A100";
  groups[1].gpu = "V100";
  groups[1].name = "v";
  const std::vector<Wanted> asks{
      {0, gpus(1, 1), 50}, {0, gpus(1, 1), 100}, {1, gpus(2, 1), 100}, {60, gpus(1, 1), 500}};
  CHECK(starts(groups, asks, {"conservative"}) == std::vector<double>{0, 0, 100, 200});
  CHECK(starts(groups, asks, {"easy", "count", {{"depth", "2"}}}) == std::vector<double>{0, 0, 100, 200});
  CHECK(starts(groups, asks, {"easy"}) == std::vector<double>{0, 0, 100, 200});
}

// Eight cores and three GPUs: a runs with six cores until 50; b needs as many and is promised 50; c with three cores
// has to wait for b's end; d with two cores fits beside a.
TEST_CASE("a reservation is for the cores that the job asks for", "[policies][reservations]") {
  std::vector<NodeGroup> groups = cluster(1, 3);
  groups[0].cpu_milli = 8000;
  Demand six = gpus(2), three = gpus(1);
  six.cpu_milli = 6000;
  three.cpu_milli = 3000;
  const std::vector<Wanted> asks{{0, six, 50}, {1, six, 10}, {2, three, 100}, {3, cpus(2), 20}};
  for (const char* policy : {"easy", "conservative"})
    CHECK(starts(groups, asks, {policy}) == std::vector<double>{0, 50, 60, 3});
}

TEST_CASE("no job starts after its first promise", "[policies][reservations][property]") {
  int made = 0;
  in_random_worlds("tests/reservations/promises", 12, true, kBackfilling,
                   [&](const auto& groups, const Workload& w, const PolicyChoice& choice) {
                     const auto policy = make_policy(choice);
                     FirstPromises promises;
                     const RunResult r = run_checked(groups, w, *policy, {&promises});
                     for (const Outcome& j : r.jobs) REQUIRE(j.state == JobState::finished);
                     REQUIRE(promises.broken == 0);
                     made += promises.made;
                   });
  CHECK(made > share_of(2000));
}

// A job's true run time holds what it stands still for to save and to publish, as those who run the cluster know it;
// an estimate says so, and promises are kept.
TEST_CASE("no job starts after its first promise where jobs save", "[policies][reservations][property]") {
  int made = 0;
  RandomStream rng = stream(1, "tests/reservations/saves");
  in_random_worlds("tests/reservations/saving", 6, true, kBackfilling,
                   [&](const auto& groups, Workload w, const PolicyChoice& choice) {
                     SimOptions sim;
                     sim.checkpoints = {seconds(static_cast<std::int64_t>(10 + uniform_below(rng, 60))),
                                        seconds(static_cast<std::int64_t>(uniform_below(rng, 20)))};
                     sim.publishes = {static_cast<std::int32_t>(200 + uniform_below(rng, 300)),
                                      seconds(static_cast<std::int64_t>(uniform_below(rng, 9)))};
                     for (std::size_t j = 1; j < w.specs.size(); ++j)  // so that parents publish; nobody waits for it
                       if (uniform_below(rng, 4) == 0)
                         w.specs[j].after = {{JobId(static_cast<std::uint32_t>(uniform_below(rng, j))), false, 1000}};
                     const auto points = publish_points(sim.publishes, w.specs);
                     for (JobSpec& s : w.specs) {
                       const auto& of_it = points.empty() ? std::vector<std::int32_t>() : points[s.id.index()];
                       s.user_estimate = *s.user_estimate + stands_still(Duration{w.truths[s.id.index()].work.ns},
                                                                         sim.checkpoints.every, sim.checkpoints.cost,
                                                                         sim.publishes.cost, of_it);
                     }
                     const auto policy = make_policy(choice);
                     FirstPromises promises;
                     const RunResult r = run_checked(groups, w, *policy, {&promises}, sim);
                     for (const Outcome& j : r.jobs) REQUIRE(j.state == JobState::finished);
                     REQUIRE(promises.broken == 0);
                     made += promises.made;
                   });
  CHECK(made > share_of(1000));
}

// h1 and h2 share the GPU, the second before the whole one is promised to w.
TEST_CASE("easy lets fractions and CPU jobs pass where no whole GPU is free", "[policies][reservations]") {
  for (const char* policy : {"easy", "conservative"}) {
    CHECK(starts(cluster(1, 1), {{0, part_of_a_gpu(500), 500}, {1, gpus(1), 50}, {2, part_of_a_gpu(400), 60}},
                 {policy}) == std::vector<double>{0, 500, 2});
    std::vector<NodeGroup> groups = cluster(1, 1);
    groups[0].cpu_milli = 4000;
    CHECK(starts(groups, {{0, gpus(1), 500}, {1, gpus(1), 50}, {2, cpus(2), 60}}, {policy}) ==
          std::vector<double>{0, 500, 2});
  }
}

namespace {

// A job that fits now and ends before anything that runs is expected to end delays no reservation: it must not wait.
class NobodyWaitsForNothing final : public Policy {
 public:
  NobodyWaitsForNothing(std::unique_ptr<Policy> inner, std::unique_ptr<Placement> judge)
      : inner_(std::move(inner)), judge_(std::move(judge)) {}
  void schedule(const ClusterView& view, PlanBuilder& plan) override {
    inner_->schedule(view, plan);
    Time first_end = kNever;
    for (const JobView v : view.active()) first_end = std::min(first_end, started_.at(v.id()) + v.estimate->total);
    for (const JobView v : view.pending()) {
      if (plan.planned(v.id()) == nullptr) continue;
      started_[v.id()] = view.now;
      first_end = std::min(first_end, view.now + v.estimate->total);
    }
    for (const JobView v : view.pending()) {
      if (plan.planned(v.id()) != nullptr || view.now + v.estimate->total > first_end) continue;
      Allocation where;
      if (judge_->place(v.spec->demand, plan.free(), where)) ++idle;
    }
  }
  int idle = 0;

 private:
  std::unique_ptr<Policy> inner_;
  std::unique_ptr<Placement> judge_;
  std::map<JobId, Time> started_;
};

}  // namespace

// Seven GPUs are promised at 200, out of a block of eight, the last of which another job takes at 51. At 60 the seven
// are free, though no block is.
TEST_CASE("a reserved place is taken as soon as it is free, also of a broken block", "[policies][reservations]") {
  const std::vector<Wanted> asks{{0, gpus(4), 60, 200}, {0, gpus(4), 50, 150}, {1, gpus(7), 50}, {51, gpus(1), 300}};
  for (const char* policy : {"easy", "conservative"})
    CHECK(starts(cluster(1, 8), asks, {policy, "buddy"}) == std::vector<double>{0, 0, 60, 51});
}

TEST_CASE("easy: nobody waits who fits and ends before anything else does", "[policies][reservations][property]") {
  in_random_worlds("tests/reservations/idle", 12, true, {{"easy"}},
                   [](const auto& groups, const Workload& w, const PolicyChoice& choice) {
                     NobodyWaitsForNothing policy(make_policy(choice), make_placement(choice.placement, 1));
                     run_checked(groups, w, policy);
                     REQUIRE(policy.idle == 0);
                   });
}

// Two of four GPUs are held for nobody knows how long, and the head needs one of them: the short job behind it waits,
// though it would end before anything could be known. A head that needs none of them has its reservation as ever.
TEST_CASE("nobody passes a head that waits for a running job of unknown length", "[policies][reservations]") {
  const auto run = [](const std::vector<Wanted>& asks, const PolicyChoice& choice) {
    Workload w = workload_of(asks);
    w.specs[0].user_estimate.reset();
    const auto policy = make_policy(choice);
    return starts_of(run_checked(cluster(1, 4), w, *policy));
  };
  for (const char* policy : {"easy", "conservative"}) {
    for (const char* placement : {"count", "consolidated"}) {
      INFO(policy << "/" << placement);
      CHECK(run({{0, gpus(2), 70}, {1, gpus(3), 10}, {2, gpus(1), 5}}, {policy, placement}) ==
            std::vector<double>{0, 70, 70});
      // One GPU that a known job holds until 40, and the free one, are all that this head needs.
      CHECK(run({{0, gpus(2), 70}, {0, gpus(1), 40}, {1, gpus(2), 10}, {2, gpus(1), 5}}, {policy, placement}) ==
            std::vector<double>{0, 0, 40, 2});
    }
  }
}

// The third job has no promise, since nobody knows when the second one will end; but not before it starts.
TEST_CASE("who passes a job that waits for a waiting one of unknown length ends before that one starts",
          "[policies][reservations]") {
  Workload w =
      workload_of({{0, gpus(2), 50}, {1, gpus(4), 30}, {2, gpus(4), 10}, {3, gpus(2), 47}, {4, gpus(2), 48}});
  w.specs[1].user_estimate.reset();
  for (const char* placement : {"count", "consolidated"}) {
    const auto policy = make_policy({"conservative", placement});
    CHECK(starts_of(run_checked(cluster(1, 4), w, *policy)) == std::vector<double>{0, 50, 80, 3, 90});
  }
}

TEST_CASE("without estimates easy and conservative start jobs in order of arrival",
          "[policies][reservations][property]") {
  in_random_worlds("tests/reservations/none", 4, false, {{"easy"}, {"conservative"}},
                   [](const auto& groups, const Workload& w, const PolicyChoice& choice) {
                     const auto policy = make_policy(choice);
                     const auto fifo = make_policy({"fifo", choice.placement});
                     const std::vector<double> got = starts_of(run_checked(groups, w, *policy));
                     REQUIRE(std::is_sorted(got.begin(), got.end()));
                     if (choice.placement == "random") return;  // asked more often than by fifo, and draws each time
                     REQUIRE(got == starts_of(run_checked(groups, w, *fifo)));
                   });
}

// Starting up takes 5 s, which the first job shows: so the second one holds its GPUs until 205, the head is promised
// that, and the last one (90 s, one GPU) passes it neither at 150 nor at 200, when the second one is not done yet.
TEST_CASE("what starting up takes is part of how long a job holds its GPUs", "[policies][reservations]") {
  SimOptions sim;
  sim.overheads.launch = seconds(5);
  const std::vector<TinyJob> jobs{{0, 1, 10}, {100, 3, 100}, {101, 4, 10}, {150, 1, 90}};
  for (const char* policy : {"easy", "conservative"})
    for (const char* placement : {"count", "consolidated"}) {
      FirstPromises promises;
      const RunResult r = run_world(cluster(1, 4), jobs, {policy, placement}, sim, {&promises});
      INFO(policy << "/" << placement);
      CHECK(starts_of(r) == std::vector<double>{0, 100, 205, 220});
      CHECK(promises.broken == 0);
    }
}

// The first job stands still for 8 s of saves, so it ends at 108: at 100 it has 8 s of its claimed work left, and the
// head waits for that, not for a whole estimate more, in which the last job (90 s) would pass.
TEST_CASE("a job that stood still is expected to end when the work that it claimed is done",
          "[policies][reservations]") {
  SimOptions sim;
  sim.checkpoints = {seconds(20), seconds(2)};
  const std::vector<TinyJob> jobs{{0, 3, 100}, {1, 4, 10}, {95, 1, 90}};
  for (const char* policy : {"easy", "conservative"})
    for (const char* placement : {"count", "consolidated"}) {
      INFO(policy << "/" << placement);
      CHECK(starts_of(run_world(cluster(1, 4), jobs, {policy, placement}, sim)) == std::vector<double>{0, 108, 118});
    }
}
