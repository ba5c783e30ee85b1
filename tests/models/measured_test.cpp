// Speeds by how many ranks share a core: what `live validate --profile` believes of slots that share cores.
#include "sim/models/speed/measured.hpp"

#include <catch2/catch.hpp>

#include "sim/world/neighbours.hpp"
#include "tests/support/world.hpp"

using namespace orrery;
using namespace orrery::test;

namespace {

Allocation slots(std::uint64_t mask) {
  NodeSlice s;
  s.node = NodeId(0);
  s.gpus = mask;
  Allocation a;
  a.add(s);
  return a;
}

}  // namespace

// The simulation from profiles took every job for crowded as if all slots were always taken.
TEST_CASE("measured times: a job is as fast as the crowd on its core lets it be", "[models]") {
  const Topology topology(cluster(1, 4));
  MeasuredTimes times;
  times.rates = {kUnitRate, kUnitRate};
  times.crowded = {{Rate{1000}, Rate{450}, Rate{300}}, {Rate{2000}, Rate{1000}}};
  times.place_of_slot = {0, 0, 1, 1};
  const MeasuredModel model(times, topology);
  REQUIRE(model.minds_neighbours());
  const Workload w = make_workload({{0, 1, 10}, {0, 2, 10}});
  const std::vector<JobId> other{JobId(0)}, two{JobId(2), JobId(3)}, nobody;
  CHECK(model.speed(w.specs[0], slots(0b0001), {}, nobody).rate == Rate{1000});
  CHECK(model.speed(w.specs[0], slots(0b0001), {}, other).rate == Rate{450});
  CHECK(model.speed(w.specs[0], slots(0b0001), {}, two).rate == Rate{300});
  CHECK(model.speed(w.specs[1], slots(0b0110), {}, nobody).rate == Rate{2000});  // one rank per core
  CHECK(model.speed(w.specs[1], slots(0b0011), {}, nobody).rate == Rate{1000});  // both on one
  CHECK(model.speed(w.specs[1], slots(0b0011), {}, two).rate == Rate{1000});     // more than was measured

  Neighbours neighbours(topology, 3, model.places());
  neighbours.start(JobId(0), slots(0b0001));
  neighbours.start(JobId(1), slots(0b1100));
  CHECK(neighbours.with(JobId(0)).empty());
  neighbours.start(JobId(2), slots(0b0010));
  REQUIRE(neighbours.with(JobId(0)).size() == 1);
  CHECK(neighbours.with(JobId(0))[0] == JobId(2));
  CHECK(neighbours.with(JobId(1)).empty());
}
