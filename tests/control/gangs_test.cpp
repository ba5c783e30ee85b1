#include "sim/control/gangs.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <utility>
#include <vector>

using namespace orrery;

namespace {

struct Part : GangMember {
  bool here = false;
  [[nodiscard]] bool there() const { return here; }
};

Part& launched(Gangs<Part>& gangs, std::uint32_t job, std::uint32_t gang) {
  const Member member{JobId(job), 1, {}};
  LaunchRequest request;
  request.gang = GangId(gang);
  request.members = {&member, 1};
  Part& part = gangs.enter(request, member);
  part.here = true;
  return part;
}

}  // namespace

TEST_CASE("gangs keep nothing of a job that is forgotten, and all of the others", "[gangs]") {
  Gangs<Part> gangs(100);
  CHECK(gangs.size() == 100);
  CHECK(gangs.look(JobId(7)) == nullptr);
  Part& seventh = launched(gangs, 7, 70);
  seventh.done = Work{5};
  Part* const where = &seventh;
  for (std::uint32_t j = 8; j < 60; ++j) (void)launched(gangs, j, 10 * j);
  CHECK(&gangs[JobId(7)] == where);  // growing moves nothing
  CHECK(gangs.find(GangId(70), {JobId(7), 1, {}}) == where);
  CHECK(gangs.find(GangId(71), {JobId(7), 1, {}}) == nullptr);
  CHECK(gangs.find(GangId(70), {JobId(7), 2, {}}) == nullptr);

  seventh.here = false;  // it has left: its work is kept for its next launch
  CHECK(gangs.find(GangId(70), {JobId(7), 1, {}}) == nullptr);
  CHECK(launched(gangs, 7, 99).done == Work{5});

  gangs.forget(JobId(7));
  CHECK(gangs.look(JobId(7)) == nullptr);
  CHECK(gangs.find(GangId(99), {JobId(7), 1, {}}) == nullptr);
  CHECK(std::as_const(gangs)[JobId(7)].done == Work{});
  CHECK(launched(gangs, 3, 30).done == Work{});  // in the room of the seventh, of which nothing is left

  std::vector<std::uint32_t> seen;
  gangs.for_each([&seen](const Part& part) { seen.push_back(part.job.value); });
  REQUIRE(seen.size() == 53);
  CHECK(seen.front() == 3);
  CHECK(std::is_sorted(seen.begin(), seen.end()));
}

TEST_CASE("a copy of gangs goes its own way", "[gangs]") {
  Gangs<Part> gangs(4);
  launched(gangs, 1, 1).done = Work{3};
  Gangs<Part> copy = gangs;
  copy[JobId(1)].done = Work{4};
  copy.forget(JobId(2));  // of which nothing is kept
  CHECK(gangs[JobId(1)].done == Work{3});
  CHECK(copy[JobId(1)].done == Work{4});
}
