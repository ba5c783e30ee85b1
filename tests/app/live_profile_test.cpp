// The profile of a live run: which launches count, and what their steps were of.
#include "scenarios/run/live_profile.hpp"

#include <fmt/format.h>
#include <catch2/catch.hpp>

#include <fstream>

#include "tests/support/prepared.hpp"
#include "tests/support/temp_dir.hpp"

namespace {

using namespace orrery;
using Launch = live::LiveExecutor::Launch;

// Ten steps of so many ms each.
Launch ten_steps(std::uint32_t job, std::int64_t ms) {
  Launch l{.job = JobId(job), .incarnation = 1};
  l.steps = 10;
  l.stepped = milliseconds(10 * ms);
  l.squares_s2 = 10 * 1e-6 * static_cast<double>(ms * ms);
  return l;
}

}  // namespace

TEST_CASE("launches with a changed batch are no measurement of the job's own", "[app][reconfigure]") {
  const test::TempFolder dir;
  std::ofstream(dir.file("jobs.csv"))
      << "job_id,submit_s,gpus,duration_s,model,batch\na,0,1,10,net,64\nb,0,1,10,net,64\n";
  const auto p = test::prepared(
      fmt::format("version: 1\ncluster: {{ groups: [ {{ name: n, count: 1, gpus_per_node: 4, gpu: h200 }} ] }}\n"
                  "workload: {{ trace: '{}' }}\n",
                  dir.file("jobs.csv")));
  if (!p) FAIL(render(p.error()));
  const app::LiveFolder nowhere(dir.file("run"));
  std::vector<Launch> launches{ten_steps(0, 20), ten_steps(1, 70)};
  launches[1].rebatched = true;
  const auto rows = app::measured_profile(*p, launches, 1, nowhere);
  REQUIRE(rows.size() == 1);
  CHECK(rows[0].local_batch == 64);
  CHECK(rows[0].step == milliseconds(20));
  CHECK(rows[0].step_cv == Approx(0).margin(1e-6));
}
