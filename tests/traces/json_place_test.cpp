// Errors of meaning in JSON files are shown where they stand, as errors of syntax are.
#include <catch2/catch.hpp>

#include "traces/format/capacity.hpp"
#include "traces/format/json_place.hpp"
#include "traces/profiles/profiles.hpp"

namespace {

using namespace orrery;

std::pair<int, int> place(std::string_view text, const JsonPath& path) {
  const Diagnostic d = at_json_place("f.json", text, path, "wrong");
  return {d.where.line, d.where.column};
}

}  // namespace

TEST_CASE("places in JSON: by keys and numbers, past anything", "[traces][json]") {
  const std::string_view text =
      "{\"a\": {\"}\\\"\": [1, {\"x\": [[]]}, \"],\"], \"b\": true},\n \"n\\u0061\": -1.5e3,\n \"list\": [1,\n  -2, "
      "{}]}";
  CHECK(place(text, {}) == std::pair(1, 1));
  CHECK(place(text, {"a"}) == std::pair(1, 7));
  CHECK(place(text, {"a", "b"}) == std::pair(1, 44));
  CHECK(place(text, {"na"}) == std::pair(2, 13));
  CHECK(place(text, {"list", "1"}) == std::pair(4, 3));
  CHECK(place(text, {"list", "2"}) == std::pair(4, 7));
  CHECK(place(text, {"list", "7"}) == std::pair(3, 10));  // where the way ends
  CHECK(place(text, {"other", "x"}) == std::pair(1, 1));
  CHECK(place("{\"a\": 1,\n \"a\": 2}", {"a"}) == std::pair(2, 7));  // the last counts
  // What is no JSON ends somewhere inside.
  for (const char* bad : {"", "{", "[", "{\"a", "{\"a\":", "[1,", "\"\\", "{]}", "[}", "nonsense"})
    CHECK(place(bad, {"a", "0"}).first == 1);
}

TEST_CASE("a wrong rate of a Gavel table is shown with its line", "[traces][json]") {
  const auto table = read_gavel_throughputs_text("t.json", "{\"v100\": {\n  \"('A', 1)\": {\n    \"null\": \"x\"}}}");
  REQUIRE_FALSE(table);
  const Diagnostic& d = table.error().items.front();
  CHECK(d.message == "('A', 1) of v100, null: must be a number, 0 or more");
  CHECK((d.where.line == 3 && d.where.column == 13));
  CHECK(d.line_text == "    \"null\": \"x\"}}}");
  const auto pair =
      read_gavel_throughputs_text("t.json", "{\"v100\":\n {\"('A', 1)\": {\"null\": 1,\n \"('A', 1)\": [1]}}}");
  REQUIRE_FALSE(pair);
  CHECK(pair.error().items.front().where.line == 3);
}

TEST_CASE("a wrong number of a spot recording is shown with its line", "[traces][json]") {
  const auto t = read_capacity_text("s.json", "{\"metadata\": {\"gap_seconds\": 300},\n \"data\": [1,\n -2]}");
  REQUIRE_FALSE(t);
  const Diagnostic& d = t.error().items.front();
  CHECK(d.message == "`data[1]` must be a whole number from 0 to 1000000");
  CHECK((d.where.line == 3 && d.where.column == 2));
  const auto syntax = read_capacity_text("s.json", "{\"metadata\": {},\n \"data\": [1,,2]}");
  REQUIRE_FALSE(syntax);
  CHECK((syntax.error().items.front().where.line == 2 && syntax.error().items.front().where.column == 13));
}
