#include "sim/core/quantity.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <span>

namespace orrery {
namespace {

using Unit = UnitName;

constexpr std::array kTimeUnits{Unit{"ns", 1},
                                Unit{"us", 1'000},
                                Unit{"ms", 1'000'000},
                                Unit{"s", kNsPerSecond},
                                Unit{"m", 60 * kNsPerSecond},
                                Unit{"min", 60 * kNsPerSecond},
                                Unit{"h", 3600 * kNsPerSecond},
                                Unit{"d", 86400 * kNsPerSecond}};
constexpr std::array kByteUnits{Unit{"B", 1},
                                Unit{"kB", 1'000},
                                Unit{"KB", 1'000},
                                Unit{"MB", 1'000'000},
                                Unit{"GB", 1'000'000'000},
                                Unit{"TB", 1'000'000'000'000},
                                Unit{"KiB", std::int64_t{1} << 10},
                                Unit{"MiB", std::int64_t{1} << 20},
                                Unit{"GiB", std::int64_t{1} << 30},
                                Unit{"TiB", std::int64_t{1} << 40}};
// In bits: a bandwidth may be written in either.
constexpr std::array kBandwidthUnits{Unit{"b/s", 1},
                                     Unit{"kb/s", 1'000},
                                     Unit{"Mb/s", 1'000'000},
                                     Unit{"Gb/s", 1'000'000'000},
                                     Unit{"Tb/s", 1'000'000'000'000},
                                     Unit{"B/s", 8},
                                     Unit{"kB/s", 8'000},
                                     Unit{"MB/s", 8'000'000},
                                     Unit{"GB/s", 8'000'000'000},
                                     Unit{"TB/s", 8'000'000'000'000},
                                     Unit{"KiB/s", std::int64_t{8} << 10},
                                     Unit{"MiB/s", std::int64_t{8} << 20},
                                     Unit{"GiB/s", std::int64_t{8} << 30},
                                     Unit{"TiB/s", std::int64_t{8} << 40}};

// In events per 10^9 hours.
constexpr std::int64_t kPerHour = 1'000'000'000;
constexpr std::array kFrequencyUnits{Unit{"/h", kPerHour}, Unit{"/m", 60 * kPerHour}, Unit{"/min", 60 * kPerHour},
                                     Unit{"/s", 3600 * kPerHour}};

// A decimal taken apart: mantissa x 10^-scale.
struct Decimal {
  Int128 mantissa = 0;
  int scale = 0;
};

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

// Reads a decimal at the front of `text` and removes it.
std::optional<Decimal> take_decimal(std::string_view& text) {
  std::size_t i = 0;
  bool negative = false;
  if (i < text.size() && (text[i] == '-' || text[i] == '+')) negative = text[i++] == '-';
  Decimal d;
  int digits = 0;
  const auto take = [&](bool fraction) {
    for (; i < text.size() && is_digit(text[i]); ++i) {
      ++digits;
      if (d.mantissa > Int128{1} << 116) {  // further digits cannot matter to 63 bits: drop them
        if (!fraction) --d.scale;
        continue;
      }
      d.mantissa = d.mantissa * 10 + (text[i] - '0');
      if (fraction) ++d.scale;
    }
  };
  take(false);
  if (i < text.size() && text[i] == '.') {
    ++i;
    take(true);
  }
  if (digits == 0) return std::nullopt;
  if (i + 1 < text.size() && (text[i] == 'e' || text[i] == 'E')) {
    std::size_t k = i + 1;
    const bool minus = text[k] == '-';
    if (text[k] == '-' || text[k] == '+') ++k;
    int exponent = 0;
    const std::size_t first = k;
    for (; k < text.size() && is_digit(text[k]) && exponent < 1000; ++k) exponent = exponent * 10 + (text[k] - '0');
    if (k > first) {
      d.scale += minus ? exponent : -exponent;
      i = k;
    }
  }
  if (negative) d.mantissa = -d.mantissa;
  text.remove_prefix(i);
  return d;
}

// mantissa x unit x 10^-scale as an integer, rounded half away from zero; nothing when it does not fit.
std::optional<std::int64_t> to_integer(Decimal d, Int128 unit) {
  constexpr Int128 kLimit = std::numeric_limits<std::int64_t>::max();
  constexpr Int128 kRoom = (Int128{1} << 126) / 10;
  const bool negative = d.mantissa < 0;
  Int128 v = negative ? -d.mantissa : d.mantissa;
  if (v == 0) return 0;
  // Take zeros off before the product, so that 128 bits suffice for every value that fits at the end.
  while (d.scale > 0 && v % 10 == 0) {
    v /= 10;
    --d.scale;
  }
  while (d.scale > 0 && unit % 10 == 0) {
    unit /= 10;
    --d.scale;
  }
  while (d.scale > 1 && v > kRoom / unit) {
    v /= 10;
    --d.scale;
  }
  if (v > kRoom / unit) return std::nullopt;
  v *= unit;
  for (; d.scale < 0; ++d.scale) {
    if (v > kLimit) return std::nullopt;
    v *= 10;
  }
  bool half = false;
  for (; d.scale > 0 && (v > 0 || half); --d.scale) {
    half = v % 10 >= 5;
    v /= 10;
  }
  if (half) ++v;
  if (v > kLimit) return std::nullopt;
  return static_cast<std::int64_t>(negative ? -v : v);
}

std::string_view trim(std::string_view s) {
  while (!s.empty() && (s.front() == ' ' || s.front() == '\t')) s.remove_prefix(1);
  while (!s.empty() && (s.back() == ' ' || s.back() == '\t')) s.remove_suffix(1);
  return s;
}

Quantity<std::int64_t> parse_with_units(std::string_view text, std::span<const Unit> units, std::string_view what,
                                        std::string_view examples) {
  std::string hint = fmt::format("write {}", examples);
  const std::string_view whole = trim(text);
  std::string_view rest = whole;
  const auto number = take_decimal(rest);
  if (!number) return tl::make_unexpected(QuantityError{fmt::format("is no {}", what), std::move(hint)});
  const std::string_view unit = trim(rest);
  if (unit.empty()) {
    if (number->mantissa == 0) return 0;  // zero is zero in every unit
    return tl::make_unexpected(QuantityError{fmt::format("is a {} without a unit", what), std::move(hint)});
  }
  for (const Unit& u : units) {
    if (u.name != unit) continue;
    if (number->mantissa < 0)
      return tl::make_unexpected(QuantityError{fmt::format("is negative; a {} cannot be", what), std::move(hint)});
    if (const auto v = to_integer(*number, u.size)) return *v;
    return tl::make_unexpected(QuantityError{fmt::format("is too large for a {}", what), std::move(hint)});
  }
  std::string names;
  for (const Unit& u : units) names += fmt::format("{}{}", names.empty() ? "" : " ", u.name);
  return tl::make_unexpected(QuantityError{fmt::format("has the unit `{}`, which is none of a {}", unit, what),
                                           fmt::format("units: {}", names)});
}

}  // namespace

std::span<const UnitName> time_units() {
  return kTimeUnits;
}

std::span<const UnitName> byte_units() {
  return kByteUnits;
}

std::span<const UnitName> bandwidth_units() {
  return kBandwidthUnits;
}

std::span<const UnitName> frequency_units() {
  return kFrequencyUnits;
}

std::optional<std::int64_t> parse_fixed(std::string_view text, int digits) {
  // Nearly all are a few digits, which 64 bits hold in any case.
  if (text.size() - 1 < 9 && digits <= 9 && std::all_of(text.begin(), text.end(), is_digit)) {
    std::int64_t v = 0;
    for (const char c : text) v = 10 * v + (c - '0');
    for (int i = 0; i < digits; ++i) v *= 10;
    return v;
  }
  const auto d = take_decimal(text);
  if (!d || !text.empty()) return std::nullopt;
  return to_integer({d->mantissa, d->scale - digits}, 1);
}

Quantity<Duration> parse_duration(std::string_view text) {
  return parse_with_units(text, kTimeUnits, "time", "`30s`, `5m` or `2h`").map([](std::int64_t ns) {
    return Duration{ns};
  });
}

Quantity<std::int64_t> parse_bytes(std::string_view text) {
  return parse_with_units(text, kByteUnits, "size", "`64GB` or `64GiB`");
}

Quantity<std::int64_t> parse_bandwidth(std::string_view text) {
  return parse_with_units(text, kBandwidthUnits, "bandwidth", "`400Gb/s` or `900GB/s`").map([](std::int64_t bits) {
    return bits / 8;
  });
}

Quantity<std::int64_t> parse_frequency(std::string_view text) {
  return parse_with_units(text, kFrequencyUnits, "rate", "`12/h` or `0.5/s`");
}

std::string format_duration(Duration d) {
  if (d.ns == 0) return "0s";
  for (const auto& [name, size] :
       {Unit{"d", 86400 * kNsPerSecond}, Unit{"h", 3600 * kNsPerSecond}, Unit{"m", 60 * kNsPerSecond},
        Unit{"s", kNsPerSecond}, Unit{"ms", 1'000'000}, Unit{"us", 1'000}})
    if (d.ns % size == 0) return fmt::format("{}{}", d.ns / size, name);
  return fmt::format("{}ns", d.ns);
}

std::string format_bytes(std::int64_t bytes) {
  if (bytes == 0) return "0B";
  for (const auto& [name, size] :
       {Unit{"TiB", std::int64_t{1} << 40}, Unit{"TB", 1'000'000'000'000}, Unit{"GiB", std::int64_t{1} << 30},
        Unit{"GB", 1'000'000'000}, Unit{"MiB", std::int64_t{1} << 20}, Unit{"MB", 1'000'000},
        Unit{"KiB", std::int64_t{1} << 10}, Unit{"kB", 1'000}})
    if (bytes % size == 0) return fmt::format("{}{}", bytes / size, name);
  return fmt::format("{}B", bytes);
}

std::string format_bandwidth(std::int64_t bytes_per_s) {
  return format_bytes(bytes_per_s) + "/s";
}

}  // namespace orrery
