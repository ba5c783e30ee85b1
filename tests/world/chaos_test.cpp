// Every policy under seeded chaos: no invariant breaks, every job ends, and what was recorded replays to the same
// decisions, also when a fresh policy object takes over in the middle. 200 seeds; where less is done, each policy has
// others of them.
#include <catch2/catch.hpp>
#include <cstdio>

#include "tests/support/chaos_world.hpp"
#include "tests/support/effort.hpp"

using namespace orrery;
using namespace orrery::test;

TEST_CASE("every policy survives seeded chaos, and its decisions replay", "[chaos]") {
  std::array<std::uint64_t, kChaosSites> fired{};
  std::uint64_t runs = 0;
  std::uint64_t called_off = 0;
  std::size_t turn = 0;
  const IdealModel ideal;
  for (const PolicyInfo& info : policy_table()) {
    for (const std::size_t draw : some_of(share_of<std::size_t>(200, 200), turn++)) {
      const std::uint64_t seed = 1 + draw;
      const ChaosWorld w = chaos_world(seed);
      const std::uint64_t take_over_at = seed % 3 == 0 ? 2 + seed % 17 : 0;
      INFO("policy " << info.name << ", seed " << seed << ", placement " << w.placement << ", taken over at "
                     << take_over_at);
      const auto make = [&] { return make_policy({std::string(info.name), w.placement}); };
      const Topology topology(w.groups);
      Chaos chaos(seed);
      const StragglerModel model(ideal, chaos);
      SimExecutor world(topology, w.workload, model, chaos_sim_options());
      ChaosExecutor unlucky(world, chaos);
      Recording recording;
      RecordingExecutor recorder(unlucky, recording);
      const bool know_work = !chaos.active(ChaosSite::straggler);
      const Verdict live = run_on(recorder, w, make, take_over_at, know_work);
      REQUIRE(live.outcome.status == RunStatus::completed);
      for (const Violation& v : live.violations)
        FAIL("invariant " << v.rule << " at " << to_seconds(v.at) << " s, job " << v.job.value << ": " << v.text);
      for (const JobState s : live.states) REQUIRE(is_final(s));

      ReplayExecutor replay(topology, recording);
      const Verdict again = run_on(replay, w, make, take_over_at, know_work);
      REQUIRE(again.outcome.decisions == live.outcome.decisions);
      REQUIRE(again.fingerprint == live.fingerprint);
      ++runs;
      called_off += live.called_off;
      for (std::size_t s = 0; s < kChaosSites; ++s) fired[s] += chaos.fired(static_cast<ChaosSite>(s));
    }
  }
  if (whole_effort()) CHECK(called_off > 0);
  std::string sites;
  for (std::size_t s = 0; s < kChaosSites; ++s) {
    sites += fmt::format(" {} {}", to_string(static_cast<ChaosSite>(s)), fired[s]);
    INFO("site " << to_string(static_cast<ChaosSite>(s)));
    if (whole_effort()) CHECK(fired[s] > 0);
  }
  std::printf("chaos: %llu runs and replays; fired:%s\n", static_cast<unsigned long long>(runs), sites.c_str());
}
