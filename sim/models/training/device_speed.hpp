// How long a device takes for the work of a part of a model: a linear model whose coefficients are measured. FLOPs
// alone mislead on small models: half of a CPU's step is matrix products that are too short to run at full speed,
// attention, element-wise operators that wait for memory, and the calls themselves. Each has its own coefficient:
//   t = a F + w W + s A + v V + c N
// F FLOPs of matrix products with weights, W the weights they read, A FLOPs of attention, V values that element-wise
// operators read and write, N operators called. The first two are the saturation of roofline.hpp: a product of b rows
// with a weight matrix has F = 2 b W, so a F + w W = F / (eff_max b / (b + b_half)) with eff_max = 1 / a and
// b_half = w / 2 a. Seconds, FLOPs (a multiply-add is two).
#pragma once

#include <cstdint>
#include <span>

namespace orrery {

struct DeviceWork {
  std::int64_t flops = 0;            // of matrix products with weights
  std::int64_t weights = 0;          // values of those weights, once per product
  std::int64_t attention_flops = 0;  // queries by keys and what follows, soft maximum included in their speed
  std::int64_t values = 0;           // fp32, read or written by element-wise operators
  std::int64_t calls = 0;            // operators

  DeviceWork& operator+=(const DeviceWork& o);
  // Of a whole and a part of it.
  [[nodiscard]] DeviceWork operator-(const DeviceWork& o) const;
  friend bool operator==(const DeviceWork&, const DeviceWork&) = default;
};

// Seconds of one unit of each kind of work; none is negative.
struct DeviceSpeed {
  double flop_s = 0, weight_s = 0, attention_flop_s = 0, value_s = 0, call_s = 0;

  [[nodiscard]] double seconds(const DeviceWork& work) const;
  [[nodiscard]] double max_flops_per_s() const { return flop_s > 0 ? 1 / flop_s : 0; }
  // Rows at which a product runs at half of that speed; 0 when flop_s is.
  [[nodiscard]] double half_rows() const { return flop_s > 0 ? weight_s / (2 * flop_s) : 0; }
};

// A measurement to fit speeds to. `seconds` above 0.
struct TimedWork {
  DeviceWork work;
  double seconds = 0;
};
// The speeds, none negative, with the least sum of squared errors, each over its seconds since a measurement varies
// as it is long (Lawson and Hanson's problem, 1974, by cyclic coordinate descent). What no measurement has work of
// gets speed 0. Same measurements, same bits.
[[nodiscard]] DeviceSpeed fit_speed(std::span<const TimedWork> measured);

}  // namespace orrery
