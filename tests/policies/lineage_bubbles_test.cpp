// Rule R5 of LINEAGE: who waits runs in the bubbles of who runs, and hosts are slowed down by no more than is
// allowed.
#include <catch2/catch.hpp>

#include <algorithm>
#include <map>

#include "policies/transfer/lineage_bubbles.hpp"
#include "sim/core/random.hpp"
#include "tests/support/phases.hpp"
#include "tests/support/world.hpp"

namespace {

using namespace orrery;
using namespace orrery::test;

// A host's slow-down, as it reports it: told by its speed between two reports while the same ones fill it.
class HostSpeeds final : public Observer {
 public:
  void on_begin(const RunContext& context) override { records_ = context.records; }
  void on_event(const Event& e) override {
    if (e.kind() == EventKind::launch && e.get<event::Launch>().host.valid()) {
      ++launches;
      above_[e.get<event::Launch>().host] = 0;
    }
    if (e.kind() == EventKind::reconfigured) rates.push_back(e.get<event::Reconfigured>().fill_per_mille);
    if (e.kind() != EventKind::progress) return;
    const JobRecord& r = (*records_)[e.job.index()];
    if (!r.measured || r.measured->at != e.at) return;
    slow.push_back(1e9 / static_cast<double>(r.measured->rate.per_billion) - 1);
    above_[e.job] = slow.back() > 0.02 + 1e-5 ? above_[e.job] + 1 : 0;
    longest = std::max(longest, above_[e.job]);
  }
  int launches = 0;                 // of fillers
  int longest = 0;                  // reports of a host above 2 %, one after the other and nobody coming
  std::vector<std::int32_t> rates;  // that they were told
  std::vector<double> slow;         // of hosts, by their reports

 private:
  const std::vector<JobRecord>* records_ = nullptr;
  std::map<JobId, int> above_;
};

constexpr const char* kWithBubbles = "[index, hold, publish, learn, abort, bubbles]";

struct Filled {
  RunResult run;
  HostSpeeds speeds;
};

Filled play_filled(const std::vector<NodeGroup>& groups, const Workload& w, const std::string& rules,
                   const SimOptions& sim) {
  Filled f;
  const auto policy = test::make_policy({"lineage", "count", {{"rules", rules}, {"rho_max", "0"}}});
  f.run = run_checked(groups, w, *policy, {&f.speeds}, sim);
  return f;
}

// A job of 4 GPUs that idle for a quarter of each step of 4 s, and jobs that wait for it on a cluster of 4 GPUs.
Workload one_host(std::int64_t host_s, const std::vector<std::int64_t>& waiting_s) {
  std::vector<TinyJob> jobs{{0, 4, host_s}};
  for (const std::int64_t s : waiting_s) jobs.push_back({10, 1, s});
  Workload w = make_workload(jobs);
  w.specs[0].weight = 1e6;  // it is never preempted
  w.specs[0].bubbles = {seconds(4), 1, {{0, 1, seconds(1), 0}}};
  for (std::size_t i = 1; i < w.specs.size(); ++i) w.specs[i].fills.unit = milliseconds(250);
  return w;
}

}  // namespace

TEST_CASE("lineage bubbles: fillers use half of what they did above epsilon, and more below", "[lineage][bubbles]") {
  CHECK(next_fill(1000, 100'000, 20'000) == 500);
  CHECK(next_fill(500, 50'000, 20'000) == 250);
  CHECK(next_fill(125, 20'001, 20'000) == 62);
  CHECK(next_fill(124, 30'000, 20'000) == 62);
  CHECK(next_fill(62, 30'000, 20'000) == 0);
  CHECK(next_fill(500, 10'000, 20'000) == 625);
  CHECK(next_fill(1000, 20'000, 20'000) == 1000);
  CHECK(next_fill(500, 16'001, 20'000) == 500);  // 625 would cost 2.0001 %
  CHECK(next_fill(500, 16'000, 20'000) == 625);
  CHECK(next_fill(950, 0, 20'000) == 1000);
}

// The host reports at 120 s that it is alone; from then on each of four waiting jobs makes a quarter of its speed.
// 25 s of work are done at 220 s.
TEST_CASE("lineage fills bubbles with who waits", "[lineage][bubbles]") {
  const Workload w = one_host(1000, {25, 25, 25, 25, 25});
  const Filled with = play_filled(cluster(1, 4), w, kWithBubbles, {});
  CHECK(with.run.jobs[0].finish_s == 1000);
  for (const int job : {1, 2, 3, 4}) CHECK(with.run.jobs[static_cast<std::size_t>(job)].finish_s == 220);
  CHECK(with.run.jobs[5].finish_s == 320);
  CHECK(with.speeds.launches == 5);
  const Filled without = play_filled(cluster(1, 4), w, "[index, hold, publish, learn, abort]", {});
  CHECK(without.run.jobs[1].finish_s == 1025);
  CHECK(without.speeds.launches == 0);
}

// Those that would run on their own GPUs sooner, a restart included, go there when their turn comes.
TEST_CASE("lineage moves fillers to GPUs of their own when their turn comes", "[lineage][bubbles]") {
  const Workload w = one_host(400, {500, 72});
  const Filled f = play_filled(cluster(1, 4), w, kWithBubbles, {});
  // From 120 to 400 s 70 s are done; the first goes on alone, and so does the second.
  CHECK(f.run.jobs[0].finish_s == 400);
  CHECK(f.run.jobs[1].finish_s == 830);
  CHECK(f.run.jobs[2].finish_s == 402);
}

// 10 % at first: halved at every other report, until it is 1.25 %, where more would be 2.5 %.
TEST_CASE("lineage halves an injected slow-down of 10 % until it is below epsilon", "[lineage][bubbles]") {
  const Workload w = one_host(4000, {10'000, 10'000, 10'000, 10'000});
  SimOptions sim;
  sim.fill_cost.interference_ppm = 100'000;
  const Filled f = play_filled(cluster(1, 4), w, kWithBubbles, sim);
  REQUIRE(f.speeds.rates.size() >= 12);
  std::vector<std::int32_t> told(f.speeds.rates.begin(), f.speeds.rates.begin() + 12);
  CHECK(told == std::vector<std::int32_t>{500, 500, 500, 500, 250, 250, 250, 250, 125, 125, 125, 125});
  CHECK(f.speeds.rates.size() == 12);
  std::size_t above = 0;
  for (const double slow : f.speeds.slow) above += slow > 0.02 ? 1 : 0;
  CHECK(above == 3);  // reports: 10, 5 and 2.5 %
  CHECK(f.speeds.slow.back() == Approx(0.0125).margin(1e-6));
}

// It is faster from a fifth on. Its speed alone in the first phase, as it would be in the second, is what reports are
// held against, so 10 % are found in the second one, too.
TEST_CASE("lineage holds hosts' slow-down when their steps change", "[lineage][bubbles]") {
  Workload w = one_host(20'000, {20'000, 20'000, 20'000, 20'000});
  SimOptions sim;
  SECTION("steps are shorter, and fillers cost 10 %") {
    in_phases(w.specs[0], "projector@0:1.2;full@0.2:1");
    sim.fill_cost.interference_ppm = 100'000;
    const Filled f = play_filled(cluster(1, 4), w, kWithBubbles, sim);
    REQUIRE_FALSE(f.speeds.rates.empty());
    CHECK(f.speeds.rates.back() == 125);
    CHECK(*std::max_element(f.speeds.rates.begin(), f.speeds.rates.end()) == 500);
  }
  SECTION("steps are longer, and fillers cost nothing") {
    in_phases(w.specs[0], "projector@0:1;full@0.2:1.1");
    const Filled f = play_filled(cluster(1, 4), w, kWithBubbles, sim);
    CHECK(f.speeds.launches >= 4);
    CHECK(f.speeds.rates.empty());
  }
}

// Reports every 120 s, of which some fall into saves of 30 s, or end with one.
TEST_CASE("lineage does not take a host's saves for slowness", "[lineage][bubbles]") {
  const Workload w = one_host(8000, {8000, 8000});
  SimOptions sim;
  sim.checkpoints = {seconds(570), seconds(30)};
  const Filled f = play_filled(cluster(1, 4), w, kWithBubbles, sim);
  CHECK(f.speeds.launches >= 2);
  CHECK(f.speeds.rates.empty());
  for (const double slow : f.speeds.slow) CHECK(slow < 1e-6);
}

// 2 % at a sixteenth: nothing helps but leaving. The host rests for 1800 s.
TEST_CASE("lineage's fillers leave a host that is slowed down whatever they do", "[lineage][bubbles]") {
  const Workload w = one_host(6000, {10'000});
  SimOptions sim;
  sim.fill_cost.interference_ppm = 600'000;
  const Filled f = play_filled(cluster(1, 4), w, kWithBubbles, sim);
  CHECK(f.speeds.launches == 3);  // and after each rest again
  CHECK(f.speeds.slow.back() < 1e-9);
}

TEST_CASE("lineage without bubbles is what it was, event for event", "[lineage][bubbles]") {
  Workload w = make_workload({{0, 4, 300}, {10, 1, 50}, {20, 2, 70}, {30, 4, 10}});
  const Filled with = play_filled(cluster(1, 4), w, kWithBubbles, {});
  const Filled without = play_filled(cluster(1, 4), w, "[index, hold, publish, learn, abort]", {});
  for (std::size_t i = 0; i < w.specs.size(); ++i) CHECK(with.run.jobs[i].finish_s == without.run.jobs[i].finish_s);
  CHECK(with.run.outcome.events == without.run.outcome.events);
}

// Random hosts and guests, costs from nothing to 11.8 % at full rate, failing nodes: no host reports more than three
// times in a row that it is slower than allowed, and all jobs end under the checker's rules.
TEST_CASE("lineage holds hosts' slow-down in random worlds", "[lineage][bubbles]") {
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    CAPTURE(seed);
    RandomStream rng = stream(seed, "tests/bubbles");
    std::vector<TinyJob> jobs;
    const std::uint64_t hosts = 1 + uniform_below(rng, 3);
    for (std::uint64_t i = 0; i < hosts; ++i) jobs.push_back({0, 4, 8000 + 100 * static_cast<std::int64_t>(i)});
    for (int i = 0; i < 20; ++i) {
      const auto gpus = 1 + static_cast<std::int32_t>(uniform_below(rng, 2));
      jobs.push_back({1 + static_cast<std::int64_t>(uniform_below(rng, 3000)), gpus,
                      100 + static_cast<std::int64_t>(uniform_below(rng, 900))});
    }
    std::stable_sort(jobs.begin(), jobs.end(),
                     [](const TinyJob& a, const TinyJob& b) { return a.submit_s < b.submit_s; });
    Workload w = make_workload(jobs);
    for (JobSpec& spec : w.specs) {
      if (spec.demand.gpus == 4) {
        const auto stages = 1 + static_cast<std::int32_t>(uniform_below(rng, 2));
        spec.bubbles = {seconds(5), stages, {}};
        for (std::int32_t s = 0; s < stages; ++s)
          spec.bubbles.windows.push_back({s, 1 + static_cast<std::int32_t>(uniform_below(rng, 3)),
                                          milliseconds(200 + static_cast<std::int64_t>(uniform_below(rng, 800))),
                                          20});
        spec.weight = 1000;
      } else {
        spec.fills = {milliseconds(50 + static_cast<std::int64_t>(uniform_below(rng, 400))),
                      static_cast<std::int64_t>(uniform_below(rng, 25))};
      }
    }
    SimOptions sim;
    sim.fill_cost = {milliseconds(static_cast<std::int64_t>(uniform_below(rng, 30))),
                     static_cast<std::int64_t>(uniform_below(rng, 100'000))};
    if (seed % 3 == 0) sim.failures.outages.push_back({NodeId(0), at_seconds(3000), at_seconds(3300)});
    const Filled f = play_filled(cluster(static_cast<int>(hosts), 4), w, kWithBubbles, sim);
    CHECK(f.speeds.longest <= 3);  // from 11.8 % on
    CHECK(f.speeds.launches > 0);
    for (const Outcome& o : f.run.jobs) CHECK(o.state == JobState::finished);
  }
}
