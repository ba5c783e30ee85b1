// Outages that overlap, known, by chance and by chaos: a node is up when nothing keeps it away. Times by hand, and
// capacity events against the union of random intervals.
#include <catch2/catch.hpp>

#include "sim/world/chaos_executor.hpp"
#include "tests/support/world.hpp"

namespace {

using namespace orrery;
using namespace orrery::test;

Outage away(std::int64_t from_s, std::int64_t to_s, std::uint32_t node = 0) {
  return {NodeId(node), at_seconds(from_s), at_seconds(to_s)};
}

SimOptions with(std::vector<Outage> outages) {
  SimOptions o;
  o.failures.outages = std::move(outages);
  return o;
}

// (time, up) of one node's capacity events.
using Changes = std::vector<std::pair<Time, bool>>;

// What an executor says of its nodes until `end`.
std::vector<Changes> capacity_until(Executor& executor, Time end) {
  std::vector<Changes> said(executor.describe().node_count());
  while (executor.now() < end)
    for (const Event& e : executor.wait_until(end))
      if (const auto* capacity = e.get_if<event::Capacity>())
        said[capacity->node.index()].emplace_back(e.at, capacity->usable != 0);
  return said;
}

bool up_at(const Changes& changes, Time t) {
  bool up = true;
  for (const auto& [at, is_up] : changes)
    if (at <= t) up = is_up;
  return up;
}

// Failures by chance of one node up to `end`.
std::vector<Outage> by_chance(const FailureModel& model, std::uint32_t node, Time end) {
  NodeFailures f(model, node);
  std::vector<Outage> out;
  for (Time at = Time{} + f.next(); at <= end;) {
    const Time back = at + f.next();
    out.push_back({NodeId(node), at, back});
    at = back + f.next();
  }
  return out;
}

std::vector<Outage> random_outages(RandomStream& rng, std::uint32_t nodes) {
  std::vector<Outage> out;
  for (std::uint64_t k = uniform_below(rng, 12); k > 0; --k) {
    const auto from = static_cast<std::int64_t>(uniform_below(rng, 400));
    out.push_back(away(from, from + 1 + static_cast<std::int64_t>(uniform_below(rng, 120)),
                       static_cast<std::uint32_t>(uniform_below(rng, nodes))));
  }
  return out;
}

}  // namespace

TEST_CASE("a node that two outages keep away is up after the later one", "[exec][outages]") {
  for (const auto& outages : std::vector<std::vector<Outage>>{{away(10, 90), away(40, 150)},
                                                              {away(40, 150), away(10, 90)},
                                                              {away(10, 150), away(40, 90)},
                                                              {away(10, 40), away(40, 90), away(90, 150)},
                                                              {away(10, 150), away(10, 150)}}) {
    CHECK(run_world(cluster(1, 1), {{15, 1, 20}}, {"fifo"}, with(outages)).jobs[0].start_s == 150);
    const Topology topology(cluster(1, 1));
    const Workload nothing;
    const IdealModel model;
    SimExecutor executor(topology, nothing, model, with(outages));
    CHECK(capacity_until(executor, at_seconds(1000))[0] == Changes{{at_seconds(10), false}, {at_seconds(150), true}});
  }
  CHECK(run_world(cluster(1, 1), {{15, 1, 20}}, {"fifo"}, with({away(10, 30), away(40, 150)})).jobs[0].start_s == 30);
}

TEST_CASE("a repair by chance does not end a known outage, nor the other way round", "[exec][outages]") {
  FailureModel model{seconds(2000), seconds(500), 3};
  const std::vector<Outage> chance = by_chance(model, 0, at_seconds(20'000));
  const Outage& first = chance.front();
  const Duration half{(first.to - first.from).ns / 2};
  const auto start = [&](Outage known) {
    SimOptions sim;
    sim.failures = model;
    sim.failures.outages = {known};
    const auto policy = make_policy({"fifo"});
    Workload w = make_workload({{0, 1, 1}});
    w.specs[0].submit = first.from + Duration{1};
    return run_world(cluster(1, 1), w, *policy, sim).jobs[0].start_s;
  };
  // It begins during the repair and lasts longer; it ends during the repair.
  CHECK(start({NodeId(0), first.from + half, first.to + seconds(5)}) == to_seconds(first.to + seconds(5)));
  CHECK(start({NodeId(0), first.from - seconds(5), first.from + half}) == to_seconds(first.to));
}

TEST_CASE("a node is up where no interval holds, over random outages, known and by chance", "[exec][outages]") {
  RandomStream rng = stream(5, "tests/outages");
  const Topology topology(cluster(3, 2));
  const Workload nothing;
  const IdealModel model;
  const Time end = at_seconds(600);
  for (int round = 0; round < 300; ++round) {
    INFO("round " << round);
    SimOptions sim;
    sim.failures.seed = static_cast<std::uint64_t>(round);
    if (round % 2 == 0) sim.failures = {seconds(100), seconds(60), static_cast<std::uint64_t>(round)};
    sim.failures.outages = random_outages(rng, 3);
    SimExecutor executor(topology, nothing, model, sim);
    const std::vector<Changes> said = capacity_until(executor, end);
    for (std::uint32_t n = 0; n < 3; ++n) {
      std::vector<Outage> all = sim.failures.outages;
      if (sim.failures.node_mtbf.ns > 0)
        for (const Outage& o : by_chance(sim.failures, n, end)) all.push_back(o);
      std::erase_if(all, [n](const Outage& o) { return o.node != NodeId(n); });
      const auto holds = [&all](Time t) {
        return std::any_of(all.begin(), all.end(), [t](const Outage& o) { return o.from <= t && t < o.to; });
      };
      for (const Outage& o : all)
        for (const Time t : {o.from - Duration{1}, o.from, o.to - Duration{1}, o.to})
          if (t < end) REQUIRE(up_at(said[n], t) == !holds(t));
      for (std::size_t i = 0; i < said[n].size(); ++i) REQUIRE(said[n][i].second == (i % 2 != 0));  // changes only
    }
  }
}

TEST_CASE("chaos does not bring a node back that an outage keeps away", "[exec][outages]") {
  RandomStream rng = stream(6, "tests/outages");
  const Topology topology(cluster(2, 2));
  const Workload nothing;
  const IdealModel model;
  const Time end = at_seconds(600);
  int by_chaos = 0;
  for (int round = 0; round < 300; ++round) {
    INFO("round " << round);
    const std::vector<Outage> outages = random_outages(rng, 2);
    SimExecutor executor(topology, nothing, model, with(outages));
    Chaos chaos(static_cast<std::uint64_t>(round));
    chaos.activate(ChaosSite::node_down, true);
    chaos.activate(ChaosSite::node_flaps, round % 2 == 0);
    ChaosOptions options;
    options.pace = seconds(20);
    options.node_failures = 20;
    ChaosExecutor bad_luck(executor, chaos, options);
    const std::vector<Changes> said = capacity_until(bad_luck, end);
    for (const Outage& o : outages)
      for (const Time t : {o.from, o.to - Duration{1}})
        if (t < end) REQUIRE_FALSE(up_at(said[o.node.index()], t));
    for (const Changes& c : said) {
      by_chaos += static_cast<int>(c.size());
      for (std::size_t i = 0; i < c.size(); ++i) REQUIRE(c[i].second == (i % 2 != 0));
    }
  }
  CHECK(by_chaos > 1000);
}
