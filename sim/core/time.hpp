// Time as integer nanoseconds: `Time` is an instant since the start of a run, `Duration` a difference.
// Two types, so that an instant is never added to an instant. All arithmetic saturates at kNever, which
// means "not in this run"; nothing here uses floating point (design: determinism).
#pragma once

#include <compare>
#include <cstdint>
#include <limits>

namespace orrery {

inline constexpr std::int64_t kNsPerSecond = 1'000'000'000;

struct Duration {
  std::int64_t ns = 0;
  friend constexpr auto operator<=>(Duration, Duration) = default;
};

struct Time {
  std::int64_t ns = 0;
  friend constexpr auto operator<=>(Time, Time) = default;
};

inline constexpr Time kNever{std::numeric_limits<std::int64_t>::max()};
inline constexpr Duration kForever{std::numeric_limits<std::int64_t>::max()};

// Saturating sum of two nanosecond counts: kNever/kForever absorb everything.
[[nodiscard]] constexpr std::int64_t add_ns(std::int64_t a, std::int64_t b) {
  std::int64_t sum = 0;
  if (__builtin_add_overflow(a, b, &sum)) return std::numeric_limits<std::int64_t>::max();
  return sum;
}

constexpr Duration operator+(Duration a, Duration b) {
  return {add_ns(a.ns, b.ns)};
}
constexpr Duration operator-(Duration a, Duration b) {
  return {a.ns - b.ns};
}
constexpr Duration& operator+=(Duration& a, Duration b) {
  return a = a + b;
}
constexpr Duration& operator-=(Duration& a, Duration b) {
  return a = a - b;
}
constexpr Time operator+(Time t, Duration d) {
  return {add_ns(t.ns, d.ns)};
}
constexpr Time operator-(Time t, Duration d) {
  return {t.ns - d.ns};
}
constexpr Duration operator-(Time a, Time b) {
  return {a.ns - b.ns};
}

[[nodiscard]] constexpr Duration seconds(std::int64_t s) {
  return {s * kNsPerSecond};
}
[[nodiscard]] constexpr Duration milliseconds(std::int64_t ms) {
  return {ms * 1'000'000};
}
[[nodiscard]] constexpr Time at_seconds(std::int64_t s) {
  return {s * kNsPerSecond};
}

// How many whole `unit`s, halves to the even number: as Python and IEEE 754 round. Counts >= 0.
[[nodiscard]] constexpr std::int64_t round_half_even(std::int64_t ns, std::int64_t unit) {
  const std::int64_t whole = ns / unit, rest = ns % unit;
  return whole + (rest > unit - rest || (rest == unit - rest && whole % 2 != 0) ? 1 : 0);
}
[[nodiscard]] constexpr std::int64_t whole_seconds(Duration d) {
  return round_half_even(d.ns, kNsPerSecond);
}

// For printing and statistics only; never for control flow.
[[nodiscard]] constexpr double to_seconds(Duration d) {
  return static_cast<double>(d.ns) / 1e9;
}
[[nodiscard]] constexpr double to_seconds(Time t) {
  return static_cast<double>(t.ns) / 1e9;
}

}  // namespace orrery
