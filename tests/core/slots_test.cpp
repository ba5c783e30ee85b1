// Numbers of things that come and go.
#include "sim/core/slots.hpp"

#include <catch2/catch.hpp>
#include <deque>

namespace orrery {
namespace {

TEST_CASE("the number that was left last is given out next, with what was in it", "[slots]") {
  Slots<int> slots;
  for (std::uint32_t i = 0; i < 3; ++i) {
    CHECK(slots.take() == i);
    CHECK(slots[i] == 0);
    slots[i] = static_cast<int>(i) + 10;
  }
  slots.leave(0);
  slots.leave(2);
  CHECK(slots.size() == 3);
  CHECK(slots.take() == 2);
  CHECK(slots[2] == 12);
  CHECK(slots.take() == 0);
  CHECK(slots.take() == 3);  // none is left
  CHECK(slots.size() == 4);
}

TEST_CASE("in a deque, what is there stays where it is when others come", "[slots]") {
  Slots<int, std::deque<int>> slots;
  const int* const first = &slots[slots.take()];
  for (int i = 0; i < 1000; ++i) slots[slots.take()] = i;
  CHECK(first == &slots[0]);
}

TEST_CASE("a copy gives out the same numbers", "[slots]") {
  Slots<int> slots;
  for (int i = 0; i < 4; ++i) slots[slots.take()] = i;
  slots.leave(1);
  slots.leave(3);
  Slots<int> copy = slots;
  for (int i = 0; i < 3; ++i) CHECK(slots.take() == copy.take());
}

}  // namespace
}  // namespace orrery
