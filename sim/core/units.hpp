// Quantities that policies and models compute with, all integers:
//   Work     nanoseconds of running at the reference rate (1.0) on the requested allocation;
//   Rate     progress per wall nanosecond, in billionths (kUnitRate = reference speed);
//   GpuTime  GPU-time attained, in milli-GPU-nanoseconds; 128 bits, because 48 GPUs x two months
//            overflow 64.
// The two conversions between work and time live here and nowhere else; time_for() rounds up, so that a
// job never finishes before its work is done.
#pragma once

#include <compare>
#include <cstdint>

#include "sim/core/time.hpp"

namespace orrery {

__extension__ using Int128 = __int128;

inline constexpr std::int32_t kMilliPerGpu = 1000;

struct Work {
  std::int64_t ns = 0;
  friend constexpr auto operator<=>(Work, Work) = default;
};
constexpr Work operator+(Work a, Work b) {
  return {add_ns(a.ns, b.ns)};
}
constexpr Work operator-(Work a, Work b) {
  return {a.ns - b.ns};
}

struct Rate {
  std::int64_t per_billion = 0;
  friend constexpr auto operator<=>(Rate, Rate) = default;
};
inline constexpr Rate kUnitRate{1'000'000'000};

struct GpuTime {
  Int128 milli_gpu_ns = 0;
  friend constexpr bool operator==(GpuTime a, GpuTime b) { return a.milli_gpu_ns == b.milli_gpu_ns; }
  friend constexpr auto operator<=>(GpuTime a, GpuTime b) { return a.milli_gpu_ns <=> b.milli_gpu_ns; }
};
constexpr GpuTime operator+(GpuTime a, GpuTime b) {
  return {a.milli_gpu_ns + b.milli_gpu_ns};
}
constexpr GpuTime operator-(GpuTime a, GpuTime b) {
  return {a.milli_gpu_ns - b.milli_gpu_ns};
}
constexpr GpuTime& operator+=(GpuTime& a, GpuTime b) {
  return a = a + b;
}

[[nodiscard]] constexpr GpuTime gpu_time(Duration d, std::int64_t milli_gpus) {
  return {static_cast<Int128>(d.ns) * milli_gpus};
}
[[nodiscard]] constexpr double to_gpu_seconds(GpuTime t) {
  return static_cast<double>(t.milli_gpu_ns) / 1e12;
}

// Work done in `d` at `rate`, rounded down.
[[nodiscard]] constexpr Work work_in(Duration d, Rate rate) {
  if (rate == kUnitRate) return {d.ns};
  return {static_cast<std::int64_t>(static_cast<Int128>(d.ns) * rate.per_billion / kUnitRate.per_billion)};
}

// Shortest duration in which `w` is done at `rate`, rounded up; kForever at rate 0.
[[nodiscard]] constexpr Duration time_for(Work w, Rate rate) {
  if (w.ns <= 0) return {0};
  if (rate.per_billion <= 0) return kForever;
  if (rate == kUnitRate) return {w.ns};
  const Int128 ns = (static_cast<Int128>(w.ns) * kUnitRate.per_billion + rate.per_billion - 1) / rate.per_billion;
  return ns >= kForever.ns ? kForever : Duration{static_cast<std::int64_t>(ns)};
}

}  // namespace orrery
