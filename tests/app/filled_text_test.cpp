// What a live run says of fillers and of what they cost.
#include "scenarios/run/filled_text.hpp"

#include <catch2/catch.hpp>

#include <vector>

namespace {

using namespace orrery;
using Filling = live::LiveExecutor::Launch;

Filling in_bubbles_of(std::uint32_t host, std::uint32_t job, std::int64_t ran_s, std::int64_t work_s) {
  Filling l{.job = JobId(job), .incarnation = 1};
  l.host = JobId(host);
  l.ran = seconds(ran_s);
  l.done = Work{seconds(work_s).ns};
  return l;
}

}  // namespace

TEST_CASE("a live run says who was filled, by how much, and what that cost with its interval", "[app][fillers]") {
  std::vector<JobSpec> specs(5);
  const char* names[] = {"p0", "c1", "c2", "p3", "c4"};
  for (std::size_t j = 0; j < 5; ++j) specs[j].name = names[j];
  std::vector<Filling> launches{{.job = JobId(0), .incarnation = 1}, {.job = JobId(3), .incarnation = 1}};
  CHECK(app::filled_text(specs, launches).empty());
  launches.push_back(in_bubbles_of(0, 1, 60, 20));
  launches.push_back(in_bubbles_of(0, 1, 30, 10));
  launches.push_back(in_bubbles_of(0, 2, 30, 3));
  launches.push_back(in_bubbles_of(3, 4, 10, 1));
  launches[0].slowdown = {12'500, 1'000, 256};
  // 1.25 % +- 1.96 x 0.1 %
  CHECK(app::filled_text(specs, launches) ==
        "bubbles of p0: 2 jobs ran there for 2m00s and did 33.0s of work; its steps took 1.25 % longer [1.05, 1.45], "
        "as last measured, over 256 steps\n"
        "bubbles of p3: one job ran there for 10.0s and did 1.0s of work; what that cost it was not measured\n");
}
