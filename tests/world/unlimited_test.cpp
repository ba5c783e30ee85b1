// What jobs would take with GPUs for all, against hand-worked lives and against the simulated world on a cluster that
// has them.
#include "sim/models/lifecycle/unlimited.hpp"

#include <algorithm>

#include "sim/core/random.hpp"
#include "tests/support/effort.hpp"
#include "tests/support/world.hpp"

using namespace orrery;
using namespace orrery::test;

namespace {

double seconds_of(const std::vector<std::optional<Duration>>& jcts, std::size_t job) {
  REQUIRE(jcts[job].has_value());
  return to_seconds(*jcts[job]);
}

// Lineages of jobs with odd run times, so that no two things happen at one instant by design.
Workload drawn_lineages(std::uint64_t seed) {
  RandomStream rng = stream(seed, "test/unlimited");
  const auto below = [&rng](std::uint64_t n) { return uniform_below(rng, n); };
  Workload w = make_workload(std::vector<TinyJob>(40));
  std::vector<std::int64_t> submits;
  for (std::size_t i = 0; i < w.specs.size(); ++i)
    submits.push_back(static_cast<std::int64_t>(below(900'000'000'007)));
  std::sort(submits.begin(), submits.end());
  for (std::size_t i = 0; i < w.specs.size(); ++i) {
    JobSpec& s = w.specs[i];
    s.submit = Time{submits[i]};
    s.demand.gpus = s.min_gpus = s.max_gpus = 1 + static_cast<std::int32_t>(below(8));
    s.demand_class = w.demands.intern(s.demand);
    w.truths[i].work = Work{1 + static_cast<std::int64_t>(below(2'000'000'000'003))};
    for (std::uint64_t k = below(3); k > 0 && i > 0; --k) {
      const JobId parent(static_cast<std::uint32_t>(below(i)));
      const auto is_parent = [parent](const Dependency& d) { return d.parent == parent; };
      if (std::any_of(s.after.begin(), s.after.end(), is_parent)) continue;
      s.after.push_back({parent, below(4) > 0, static_cast<std::int32_t>(1 + below(1000))});
      if (below(4) > 0) w.truths[i].sources.push_back({parent, static_cast<std::int32_t>(below(1950)) - 1000});
    }
  }
  return w;
}

}  // namespace

TEST_CASE("unlimited: launch, checkpoints, publications and what is inherited, by hand", "[unlimited][lineage]") {
  // j0: submit 10, launch 5, publishes at 50 % and 100 % of 100 s of work, 2 s each before the end, saves every 30 s
  // for 1 s: 15-45, 46-66, published 68, 68-98, 99-119.  j1 waits for 50 %: 68, starts 73 from that version.
  // j2 likes j0, submitted when nothing is published: from its base, 20 s after 5. j3 has nothing to do with them.
  Workload w = make_workload({{10, 2, 100}, {0, 2, 40}, {3, 1, 20}, {7, 4, 1}});
  w.specs[1].after = {{JobId(0), true, 500}};
  w.specs[2].after = {{JobId(0), false, 1000}};
  w.truths[1].sources = {{JobId(0), 500}};
  w.truths[2].sources = {{JobId(0), 500}};
  OverheadModel overheads;
  overheads.launch = seconds(5);
  const auto jcts = unlimited_jcts(w, overheads, {seconds(30), seconds(1), {}}, {0, seconds(2)});
  CHECK(seconds_of(jcts, 0) == 119 - 10);
  const std::int64_t work = transfer_work(Work{seconds(40).ns}, 500, 500).ns;
  CHECK(jcts[1]->ns == seconds(68 + 5).ns + work);  // less than 30 s: no checkpoint
  CHECK(work < seconds(30).ns);
  CHECK(seconds_of(jcts, 2) == 25);
  CHECK(seconds_of(jcts, 3) == 6);
}

TEST_CASE("unlimited: what a cluster with GPUs for all gives, to the nanosecond", "[unlimited][lineage]") {
  for (std::uint64_t seed = 1; seed <= share_of(60U); ++seed) {
    INFO("seed " << seed);
    const Workload w = drawn_lineages(seed);
    SimOptions sim;
    if (seed % 2 == 0) sim.overheads.launch = milliseconds(7919);
    if (seed % 3 > 0) sim.checkpoints = {seconds(seed % 3 == 1 ? 97 : 11), milliseconds(seed % 5 * 613), {}};
    if (seed % 4 > 0) sim.publishes = {seed % 4 == 1 ? 0 : 130, milliseconds(seed % 7 * 1201)};
    const auto jcts = unlimited_jcts(w, sim.overheads, sim.checkpoints, sim.publishes);
    const auto policy = make_policy({"fifo"});
    const RunResult r = run_world(cluster(40, 8), w, *policy, sim, true, {});
    for (std::size_t i = 0; i < w.specs.size(); ++i) {
      INFO("job " << i);
      REQUIRE(jcts[i].has_value());
      CHECK(r.jobs[i].finish_s == to_seconds(w.specs[i].submit + *jcts[i]));
    }
  }
}

TEST_CASE("unlimited: beyond what a clock holds there is no value", "[unlimited]") {
  Workload w = make_workload({{0, 1, 1}, {0, 1, 1}, {0, 1, 1}});
  w.truths[0].work = Work{kForever.ns / 2};
  w.specs[1].after = {{JobId(0), true, 1000}};
  const auto jcts = unlimited_jcts(w, {}, {seconds(1), seconds(1), {}}, {});
  CHECK_FALSE(jcts[0].has_value());
  CHECK_FALSE(jcts[1].has_value());
  CHECK(seconds_of(jcts, 2) == 1);
}
