// Which rank of a gang is blamed, worked out by hand: times in milliseconds.
#include "backend/engine/local/inquest.hpp"

#include <catch2/catch.hpp>

namespace {

using namespace orrery;
using live::Inquest;

constexpr std::int64_t kMs = 1'000'000;

}  // namespace

TEST_CASE("a rank that a signal ended is to blame at once", "[live]") {
  Inquest i(3);
  CHECK(i.deadline_ns() == kNever.ns);
  i.ended(2, false, 9, 100 * kMs);
  CHECK(i.culprit(100 * kMs) == 2);
  i.ended(0, false, 11, 101 * kMs);  // the first signal stands
  CHECK(i.culprit(101 * kMs) == 2);
}

TEST_CASE("a rank that left by itself is to blame a moment later, unless a signal shows", "[live]") {
  Inquest alone(3);
  alone.ended(1, false, 0, 100 * kMs);
  CHECK(alone.deadline_ns() == 120 * kMs);
  CHECK_FALSE(alone.culprit(119 * kMs));
  CHECK(alone.culprit(120 * kMs) == 1);

  Inquest follows(3);
  follows.ended(1, false, 0, 100 * kMs);
  follows.ended(0, false, 0, 104 * kMs);
  CHECK(follows.deadline_ns() == 120 * kMs);  // not from the second on
  CHECK_FALSE(follows.culprit(104 * kMs));
  follows.ended(2, false, 9, 105 * kMs);
  CHECK(follows.culprit(105 * kMs) == 2);
}

TEST_CASE("the first that left badly is to blame when nobody is left to ask", "[live]") {
  Inquest i(3);
  i.ended(0, true, 0, 90 * kMs);
  CHECK(i.deadline_ns() == kNever.ns);
  i.ended(2, false, 0, 100 * kMs);
  i.ended(1, false, 0, 101 * kMs);
  CHECK(i.culprit(101 * kMs) == 2);

  Inquest well(2);
  well.ended(0, true, 0, 100 * kMs);
  well.ended(1, true, 0, 101 * kMs);
  CHECK_FALSE(well.culprit(500 * kMs));
}
