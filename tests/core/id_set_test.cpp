// IdSet against std::set under random insertions and removals.
#include <catch2/catch.hpp>

#include <set>

#include "sim/core/id_set.hpp"
#include "sim/core/ids.hpp"
#include "sim/core/random.hpp"

using namespace orrery;

TEST_CASE("IdSet iterates and answers like std::set", "[core]") {
  RandomStream rng = stream(1, "tests/id-set");
  IdSet<JobId> ours;
  std::set<std::uint32_t> theirs;
  for (int i = 0; i < 20'000; ++i) {
    const auto id = static_cast<std::uint32_t>(uniform_below(rng, 5'000));
    if (uniform_below(rng, 2) == 0) {
      ours.insert(JobId(id));
      theirs.insert(id);
    } else {
      ours.erase(JobId(id));
      theirs.erase(id);
    }
    REQUIRE(ours.size() == theirs.size());
    if (i % 500 != 0) continue;
    std::vector<std::uint32_t> seen;
    for (const JobId j : ours) seen.push_back(j.value);
    REQUIRE(seen == std::vector<std::uint32_t>(theirs.begin(), theirs.end()));
  }
  while (!theirs.empty()) {
    REQUIRE((*ours.begin()).value == *theirs.begin());
    ours.erase(*ours.begin());
    theirs.erase(theirs.begin());
  }
  CHECK(ours.empty());
}
