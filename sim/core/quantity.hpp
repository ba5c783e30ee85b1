// Text of quantities, both ways: exact decimals, and numbers with a unit (times `90s 5m 2h`, sizes `64GB 64GiB`,
// bandwidths `400Gb/s 900GB/s`). All results are integers; nothing goes through floating point, so what is written
// is what is meant. GB = 10^9 bytes, GiB = 2^30 bytes, Gb = 10^9 bits. A quantity without a unit is an error.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <tl/expected.hpp>

#include "sim/core/time.hpp"
#include "sim/core/units.hpp"

namespace orrery {

// Why a quantity could not be read, and what to write instead.
struct QuantityError {
  std::string message;  // "has no unit"
  std::string hint;     // "write `30s`, `5m`, `2h`"
};
template <class T>
using Quantity = tl::expected<T, QuantityError>;

// value x 10^digits of a decimal such as "-12.5" or "6.6e1"; nothing when it is no finite decimal or does not fit 63
// bits. Digits beyond `digits` are rounded half away from zero.
[[nodiscard]] std::optional<std::int64_t> parse_fixed(std::string_view text, int digits);

// Units ns us ms s m (min) h d; >= 0.
[[nodiscard]] Quantity<Duration> parse_duration(std::string_view text);
// Units B, kB MB GB TB, KiB MiB GiB TiB; >= 0; bytes.
[[nodiscard]] Quantity<std::int64_t> parse_bytes(std::string_view text);
// A size in bits or bytes per second, "400Gb/s" or "900GB/s"; bytes per second.
[[nodiscard]] Quantity<std::int64_t> parse_bandwidth(std::string_view text);
// Events per time, "12/h" or "0.5/s"; in events per 10^9 hours, so that every usual rate is a whole number.
[[nodiscard]] Quantity<std::int64_t> parse_frequency(std::string_view text);

// The units of each quantity as they are written.
struct UnitName {
  std::string_view name;
  std::int64_t size;  // in ns, bytes, bits per second, or events per 10^9 hours
};
[[nodiscard]] std::span<const UnitName> time_units();
[[nodiscard]] std::span<const UnitName> byte_units();
[[nodiscard]] std::span<const UnitName> bandwidth_units();
[[nodiscard]] std::span<const UnitName> frequency_units();

// The exact text of a value in the largest unit that needs no fraction: 5400 s is "90m".
[[nodiscard]] std::string format_duration(Duration d);
[[nodiscard]] std::string format_bytes(std::int64_t bytes);
[[nodiscard]] std::string format_bandwidth(std::int64_t bytes_per_s);

}  // namespace orrery
