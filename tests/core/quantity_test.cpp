// Quantities with units: exact integers, errors that say what to write instead.
#include <catch2/catch.hpp>

#include "sim/core/quantity.hpp"

using namespace orrery;

TEST_CASE("decimals are exact and rounded half away from zero", "[core]") {
  CHECK(parse_fixed("12.5", 9) == 12'500'000'000);
  CHECK(parse_fixed("66.0", 9) == 66'000'000'000);
  CHECK(parse_fixed("-0.0000000015", 9) == -2);
  CHECK(parse_fixed("0.0000000004", 9) == 0);
  CHECK(parse_fixed("1e3", 0) == 1000);
  CHECK(parse_fixed("2.5E-3", 6) == 2500);
  CHECK(parse_fixed("9223372036.854775807", 9) == 9'223'372'036'854'775'807);
  CHECK(parse_fixed("0.1000000000000000000000000000000000000000000001", 9) == 100'000'000);
  CHECK(parse_fixed(".5", 1) == 5);
  CHECK(parse_fixed("5.", 1) == 50);
  for (const char* bad :
       {"", "-", ".", "1x", "nan", "inf", "1e", "0x10", "1 2", "9223372036.854775808", "1e30", "1e999999999"}) {
    INFO(bad);
    CHECK_FALSE(parse_fixed(bad, 9).has_value());
  }
}

TEST_CASE("times, sizes and bandwidths carry units", "[core]") {
  CHECK(parse_duration("90s") == seconds(90));
  CHECK(parse_duration("1.5h") == seconds(5400));
  CHECK(parse_duration(" 5 m ") == seconds(300));
  CHECK(parse_duration("250ms") == milliseconds(250));
  CHECK(parse_duration("0") == seconds(0));
  CHECK(parse_bytes("64GB") == 64'000'000'000);
  CHECK(parse_bytes("64GiB") == std::int64_t{64} << 30);
  CHECK(parse_bytes("0.5TiB") == std::int64_t{1} << 39);
  CHECK(parse_bandwidth("400Gb/s") == 50'000'000'000);
  CHECK(parse_bandwidth("900GB/s") == 900'000'000'000);
  CHECK(parse_frequency("12/h") == 12'000'000'000);
  CHECK(parse_frequency("0.5/s") == 1'800'000'000'000);
}

TEST_CASE("a quantity without a unit, or with a wrong one, says what to write", "[core]") {
  CHECK(parse_duration("30").error().message == "is a time without a unit");
  CHECK(parse_duration("30").error().hint == "write `30s`, `5m` or `2h`");
  CHECK(parse_duration("soon").error().message == "is no time");
  CHECK(parse_duration("-3s").error().message == "is negative; a time cannot be");
  CHECK(parse_duration("1e20d").error().message == "is too large for a time");
  CHECK(parse_bytes("3 parsecs").error().message == "has the unit `parsecs`, which is none of a size");
  CHECK(parse_bandwidth("400Gb").error().message == "has the unit `Gb`, which is none of a bandwidth");
}

TEST_CASE("what is formatted reads back as the same value", "[core]") {
  for (const std::int64_t v : {0L, 1L, 999L, 1000L, 1'500'000'000L, 60'000'000'000L, 5'400'000'000'000L,
                               86'400'000'000'000L, 86'400'000'000'001L})
    CHECK(parse_duration(format_duration(Duration{v})) == Duration{v});
  for (const std::int64_t v : {0L, 1L, 1000L, 1024L, 64'000'000'000L, 68'719'476'736L, 123'456'789L}) {
    CHECK(parse_bytes(format_bytes(v)) == v);
    CHECK(parse_bandwidth(format_bandwidth(v)) == v);
  }
  CHECK(format_duration(seconds(5400)) == "90m");
}
