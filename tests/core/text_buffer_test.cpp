#include <catch2/catch.hpp>
#include <limits>
#include <string>
#include <vector>

#include "sim/core/text.hpp"

using namespace orrery;

TEST_CASE("a text buffer holds what was appended, whatever the sizes of the pieces", "[text]") {
  TextBuffer buffer;
  CHECK(buffer.empty());
  std::string expected;
  for (int i = 0; i < 300; ++i) {
    const std::string piece(static_cast<std::size_t>(i), static_cast<char>('a' + i % 26));
    buffer += piece;
    buffer.push_back(',');
    expected += piece + ",";
  }
  CHECK(buffer.view() == expected);
  CHECK(buffer.back() == ',');
  buffer.insert(3, 2, '{');
  expected.insert(3, 2, '{');
  CHECK(buffer.view() == expected);
  buffer.cut(5);
  CHECK(buffer.view() == expected.substr(0, 5));
  const char padded[8] = "abc";
  buffer.append_of<8>(padded, 3);
  CHECK(buffer.view() == expected.substr(0, 5) + "abc");
  buffer.clear();
  CHECK(buffer.view().empty());
}

TEST_CASE("whole numbers are written as the standard library writes them", "[text]") {
  std::vector<std::int64_t> numbers{0,
                                    std::numeric_limits<std::int64_t>::max(),
                                    std::numeric_limits<std::int64_t>::min(),
                                    3'079'444'000'000'000,
                                    1'000'000'007,
                                    1'200'000'000'345'000'000};
  for (std::int64_t power = 1; power > 0 && power <= 1'000'000'000'000'000'000; power *= 10) {
    for (const std::int64_t n : {power - 1, power, power + 1, 7 * power, -power}) numbers.push_back(n);
    if (power == 1'000'000'000'000'000'000) break;
  }
  for (const std::int64_t n : numbers) {
    std::string text;
    TextBuffer buffer;
    append_int(text, n);
    append_int(buffer, n);
    CHECK(text == std::to_string(n));
    CHECK(buffer.view() == text);
  }
}

TEST_CASE("decimals are the same in a string and in a buffer", "[text]") {
  const auto both = [](Int128 value, int digits) {
    std::string text;
    TextBuffer buffer;
    append_decimal(text, value, digits);
    append_decimal(buffer, value, digits);
    CHECK(buffer.view() == text);
    return text;
  };
  CHECK(both(0, 9) == "0");
  CHECK(both(1'500, 3) == "1.5");
  CHECK(both(-1, 9) == "-0.000000001");
  CHECK(both(2'240'194'000'000'000, 9) == "2240194");
  CHECK(both(Int128{1} << 100, 12) == "1267650600228229401.496703205376");
  TextBuffer fields;
  append_csv(fields, "plain");
  fields.push_back(',');
  append_csv(fields, "a,\"b\"\n");
  CHECK(fields.view() == "plain,\"a,\"\"b\"\"\n\"");
}
