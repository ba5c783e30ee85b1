#include "sim/core/rare_text.hpp"

#include <catch2/catch.hpp>
#include <string>
#include <utility>

using namespace orrery;

TEST_CASE("a rare text is a value like a string", "[text]") {
  RareText none;
  CHECK(none.empty());
  CHECK(none == "");
  CHECK(none.str().empty());
  RareText some;
  some = std::string("p1@hard");
  some += ";p2@soft";
  CHECK(some == "p1@hard;p2@soft");
  RareText copy = some;
  copy = "other";
  CHECK(some == "p1@hard;p2@soft");
  CHECK(!(copy == some));
  some = some.view().substr(3, 4);  // of itself
  CHECK(some == "hard");
  some = static_cast<const RareText&>(some);
  CHECK(some == "hard");
  const RareText moved = std::move(some);
  CHECK(moved == "hard");
  copy = none;
  CHECK(copy.empty());
  CHECK(copy == RareText());
  const std::string as_string = moved;
  CHECK(as_string == "hard");
  CHECK(sizeof(RareText) == sizeof(void*));
}
