// LINEAGE's rule R4 as arithmetic: what merging is worth, who is merged, and what it may cost a member.
#include <catch2/catch.hpp>

#include <algorithm>
#include <map>

#include "policies/transfer/lineage_merge.hpp"
#include "sim/core/random.hpp"
#include "tests/support/effort.hpp"

using namespace orrery;

namespace {

MergeMember member(std::uint32_t job, double left_s, std::int32_t shared = 900, double weight = 1) {
  MergeMember m;
  m.job = JobId(job);
  m.left_s = left_s;
  m.weight = weight;
  m.part = {{}, shared, {JobId(1000), 1, "m"}};
  return m;
}
MergeVertex gang(std::vector<MergeMember> members, bool may_move = true) {
  return {std::move(members), 0, true, may_move};
}
MergeVertex waits(const MergeMember& m, double wait_s) {
  return {{m}, wait_s, false, true};
}

// The greatest sum of worths of pairs, each vertex in one at most.
double best_pairs(const std::vector<MergeVertex>& v, const MergeBounds& bounds, std::uint32_t used = 0,
                  std::size_t first = 0) {
  while (first < v.size() && (used >> first & 1U) != 0) ++first;
  if (first >= v.size()) return 0;
  double best = best_pairs(v, bounds, used, first + 1);
  for (std::size_t other = first + 1; other < v.size(); ++other) {
    if ((used >> other & 1U) != 0) continue;
    const auto worth = merge_worth(v[first], v[other], bounds);
    if (worth && *worth > 0)
      best = std::max(best, *worth + best_pairs(v, bounds, used | 1U << first | 1U << other, first + 1));
  }
  return best;
}

// Gangs and jobs of one bucket, with a price.
struct RandomBucket {
  std::vector<MergeVertex> vertices;
  MergeBounds bounds;
};
RandomBucket random_bucket(std::uint64_t seed, std::size_t most) {
  RandomStream rng = stream(seed, "tests/bucket");
  RandomBucket b;
  const auto shared = static_cast<std::int32_t>(700 + uniform_below(rng, 301));
  b.bounds.gpu_price = static_cast<double>(uniform_below(rng, 50)) / 8;
  b.bounds.gpus = static_cast<std::int32_t>(1 + uniform_below(rng, 4));
  b.bounds.sigma_max = 1 + static_cast<double>(uniform_below(rng, 16)) / 10;
  b.bounds.move_s = static_cast<double>(uniform_below(rng, 100));
  std::uint32_t job = 0;
  for (std::size_t n = 2 + uniform_below(rng, most - 1); n > 0; --n) {
    const auto left = [&] { return static_cast<double>(1 + uniform_below(rng, 3000)); };
    const bool runs = uniform_below(rng, 2) == 0;
    std::vector<MergeMember> members;
    for (std::uint64_t k = runs && uniform_below(rng, 3) == 0 ? 2 : 1; k > 0; --k)
      members.push_back(member(job++, left(), shared, static_cast<double>(1 + uniform_below(rng, 3))));
    if (runs)
      b.vertices.push_back(gang(std::move(members), uniform_below(rng, 2) == 0));
    else
      b.vertices.push_back(waits(members.front(), left()));
  }
  return b;
}

}  // namespace

// Alike, gamma 0.9: two take 1.1, three 1.2. 100 s and 60 s: the second ends at 66 s, the first has 40 s left, alone.
TEST_CASE("lineage groups: when members of a gang end", "[policies][lineage][groups]") {
  CHECK(gang_ends(std::vector{member(0, 100)}) == std::vector<double>{100});
  const std::vector<double> two = gang_ends(std::vector{member(0, 100), member(1, 60)});
  CHECK(two[0] == Approx(106));
  CHECK(two[1] == Approx(66));
  // One that comes 50 s later: 50 s alone, then both have 50 s left.
  std::vector<MergeMember> late{member(0, 100), member(1, 50)};
  late[1].delay_s = 50;
  CHECK(gang_ends(late)[0] == Approx(105));
  CHECK(gang_ends(late)[1] == Approx(105));
  CHECK(gang_ends(std::vector{member(0, 0), member(1, 10)})[1] == Approx(10));
}

// 60 s beside 100 s on 2 GPUs: 106 s of them instead of 160 s.
TEST_CASE("lineage groups: what merging is worth, by hand", "[policies][lineage][groups]") {
  MergeBounds bounds;
  bounds.gpus = 2;
  bounds.gpu_price = 0.5;
  // 0.5 x 2 x 54 saved; the first ends 6 s later, the second at 66 s instead of 60 s + the wait of 20 s.
  CHECK(*merge_worth(gang({member(0, 100)}), waits(member(1, 60), 20), bounds) == Approx(54 - 6 + 14));
  // As well the other way round, and twice as bad for who has twice the weight.
  CHECK(*merge_worth(waits(member(1, 60), 20), gang({member(0, 100)}), bounds) == Approx(54 - 6 + 14));
  CHECK(*merge_worth(gang({member(0, 100, 900, 2)}), waits(member(1, 60), 20), bounds) == Approx(54 - 12 + 14));
  bounds.gpu_price = 0;  // nobody wants the GPUs: what is left is later ends
  CHECK(*merge_worth(gang({member(0, 100)}), waits(member(1, 60), 0), bounds) == Approx(-12));
  CHECK_FALSE(merge_worth(waits(member(0, 100), 0), waits(member(1, 60), 0), bounds));
  CHECK_FALSE(merge_worth(gang({member(0, 100)}, false), gang({member(1, 60)}, false), bounds));
  CHECK(merge_worth(gang({member(0, 100)}, false), gang({member(1, 60)}), bounds));
  // A step of four takes 1.3 of one alone: more than 1.25.
  CHECK_FALSE(merge_worth(gang({member(0, 9), member(1, 9)}), gang({member(2, 9), member(3, 9)}), bounds));
  bounds.sigma_max = 1.3;
  CHECK(merge_worth(gang({member(0, 9), member(1, 9)}), gang({member(2, 9), member(3, 9)}), bounds));
  bounds.k_max = 3;
  CHECK_FALSE(merge_worth(gang({member(0, 9), member(1, 9)}), gang({member(2, 9), member(3, 9)}), bounds));
  // One backbone of 50, and 30 and 20 besides: 100 bytes.
  MergeMember large = member(0, 100), small = member(1, 60);
  large.memory = {900, 50, 30};
  small.memory = {900, 50, 20};
  bounds.gpu_bytes = 100;
  CHECK(merge_worth(gang({large}), waits(small, 0), bounds));
  bounds.gpu_bytes = 99;
  CHECK_FALSE(merge_worth(gang({large}), waits(small, 0), bounds));
}

// Three GPUs, one free: the first starts at once, the second at 10 s with the GPUs of who ends then, the third when
// the first has ended, at 30 s; four are never free.
TEST_CASE("lineage groups: when those who wait would start", "[policies][lineage][groups]") {
  const std::vector<QueuedJob> queue{{1, 30}, {2, 100}, {1, 5}, {4, 1}};
  const std::vector<double> waits_s = expected_waits(1, {{10, 1}, {10, 1}}, queue);
  CHECK(waits_s[0] == 0);
  CHECK(waits_s[1] == 10);
  CHECK(waits_s[2] == 30);
  CHECK(waits_s[3] > 1e300);
}

TEST_CASE("lineage groups: pairs are the best of all, 400 buckets of up to ten", "[policies][lineage][groups]") {
  std::size_t some = 0;
  for (std::uint64_t seed = 1; seed <= test::share_of(400U); ++seed) {
    INFO("seed " << seed);
    RandomBucket b = random_bucket(seed, 10);
    b.bounds.k_max = 2;  // one round; two members more than one
    for (MergeVertex& v : b.vertices) v.members.resize(1);
    const Grouping groups = merge_groups(b.vertices, b.bounds);
    double worth = 0;
    for (std::size_t i = 0; i < b.vertices.size(); ++i)
      if (const std::size_t other = groups.into[i]; other != i)
        worth += *merge_worth(b.vertices[std::min(i, other)], b.vertices[std::max(i, other)], b.bounds);
    REQUIRE(worth == Approx(best_pairs(b.vertices, b.bounds)).margin(0.01 * static_cast<double>(b.vertices.size())));
    some += worth > 0 ? 1 : 0;
  }
  CHECK(some > test::share_of(200U));
}

TEST_CASE("lineage groups: nobody's step is longer than sigma_max of its own", "[policies][lineage][groups]") {
  std::size_t widest = 0;
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    INFO("seed " << seed);
    const RandomBucket b = random_bucket(seed, 32);
    const Grouping groups = merge_groups(b.vertices, b.bounds);
    std::map<std::size_t, std::vector<MergedPart>> parts;
    for (std::size_t i = 0; i < b.vertices.size(); ++i) {
      CHECK(groups.into[groups.into[i]] == groups.into[i]);
      if (groups.into[i] != i) CHECK(b.vertices[groups.into[i]].runs);
      if (groups.into[i] != i && b.vertices[i].runs) CHECK(b.vertices[i].may_move);
      for (const MergeMember& m : b.vertices[i].members) parts[groups.into[i]].push_back(m.part);
    }
    for (const auto& [root, all] : parts) {
      widest = std::max(widest, all.size());
      const bool untouched = all.size() == b.vertices[root].members.size();
      if (untouched) continue;
      CHECK(all.size() <= b.bounds.k_max);
      CHECK(static_cast<double>(merged_step(all)) / 1000 <= b.bounds.sigma_max * (1 + 1e-9));
    }
  }
  CHECK(widest > 4);
}
