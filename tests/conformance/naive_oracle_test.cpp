// The event-driven simulator against a naive fixed-tick one on random small worlds in whole seconds.
#include <catch2/catch.hpp>

#include "sim/core/random.hpp"
#include "tests/support/effort.hpp"
#include "tests/support/naive_simulator.hpp"
#include "tests/support/world.hpp"

using namespace orrery;
using namespace orrery::test;

TEST_CASE("300 random worlds agree with a naive simulator under six policies", "[conformance]") {
  RandomStream rng = stream(20, "tests/naive");
  const auto upto = [&rng](std::uint64_t n) { return static_cast<std::int64_t>(uniform_below(rng, n)); };
  for (int world = 0; world < share_of(300); ++world) {
    const std::int64_t gpus = 1 + upto(8);
    std::vector<TinyJob> jobs;
    std::int64_t submit = 0;
    for (std::int64_t i = 1 + upto(12); i > 0; --i) {
      jobs.push_back({submit, static_cast<std::int32_t>(1 + upto(static_cast<std::uint64_t>(gpus))), 1 + upto(15)});
      submit += upto(6);
    }
    for (const char* policy : {"fifo", "fjf", "sjf", "srtf", "srsf", "smallest"}) {
      INFO("world " << world << ", policy " << policy << ", " << gpus << " GPUs");
      std::vector<NaiveJob> naive;
      for (const TinyJob& j : jobs) naive.push_back({j.submit_s, j.gpus, j.duration_s});
      REQUIRE(naive_run(policy, gpus, naive));
      const RunResult real = run_world(cluster(1, static_cast<int>(gpus)), jobs, {policy});
      for (std::size_t i = 0; i < jobs.size(); ++i) {
        INFO("job " << i << ": submit " << jobs[i].submit_s << ", " << jobs[i].gpus << " GPUs, " << jobs[i].duration_s
                    << " s");
        REQUIRE(real.jobs[i].start_s == static_cast<double>(naive[i].start));
        REQUIRE(real.jobs[i].finish_s == static_cast<double>(naive[i].finish));
      }
    }
  }
}
