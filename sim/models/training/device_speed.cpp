#include "sim/models/training/device_speed.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "sim/core/assert.hpp"

namespace orrery {
namespace {

constexpr std::size_t kKinds = 5;
using Row = std::array<double, kKinds>;

Row row_of(const DeviceWork& w) {
  return {static_cast<double>(w.flops), static_cast<double>(w.weights), static_cast<double>(w.attention_flops),
          static_cast<double>(w.values), static_cast<double>(w.calls)};
}

double dot(const Row& a, const Row& b) {
  double sum = 0;
  for (std::size_t k = 0; k < kKinds; ++k) sum += a[k] * b[k];
  return sum;
}

}  // namespace

DeviceWork& DeviceWork::operator+=(const DeviceWork& o) {
  flops += o.flops;
  weights += o.weights;
  attention_flops += o.attention_flops;
  values += o.values;
  calls += o.calls;
  return *this;
}

DeviceWork DeviceWork::operator-(const DeviceWork& o) const {
  return {flops - o.flops, weights - o.weights, attention_flops - o.attention_flops, values - o.values,
          calls - o.calls};
}

double DeviceSpeed::seconds(const DeviceWork& work) const {
  return dot(row_of(work), {flop_s, weight_s, attention_flop_s, value_s, call_s});
}

DeviceSpeed fit_speed(std::span<const TimedWork> measured) {
  // Rows over the root of their seconds, columns scaled to at most 1: minimise |X x - y|, x >= 0.
  std::vector<Row> rows;
  std::vector<double> roots;
  Row scale{};
  for (const TimedWork& m : measured) {
    ORRERY_ASSERT(m.seconds > 0, "work that took {} s", m.seconds);
    Row r = row_of(m.work);
    roots.push_back(std::sqrt(m.seconds));
    for (std::size_t k = 0; k < kKinds; ++k) {
      r[k] /= roots.back();
      scale[k] = std::max(scale[k], r[k]);
    }
    rows.push_back(r);
  }
  Row square{}, x{};
  for (Row& r : rows)
    for (std::size_t k = 0; k < kKinds; ++k) {
      r[k] = scale[k] > 0 ? r[k] / scale[k] : 0;
      square[k] += r[k] * r[k];
    }
  constexpr int kSweeps = 20'000;
  for (int sweep = 0; sweep < kSweeps; ++sweep) {
    double moved = 0;
    for (std::size_t k = 0; k < kKinds; ++k) {
      if (square[k] <= 0) continue;
      double gradient = 0;
      for (std::size_t i = 0; i < rows.size(); ++i) gradient += rows[i][k] * (roots[i] - dot(rows[i], x));
      const double next = std::max(0.0, x[k] + gradient / square[k]);
      moved = std::max(moved, next > x[k] ? next - x[k] : x[k] - next);
      x[k] = next;
    }
    if (moved < 1e-12) break;
  }
  for (std::size_t k = 0; k < kKinds; ++k) x[k] = scale[k] > 0 ? x[k] / scale[k] : 0;
  return {x[0], x[1], x[2], x[3], x[4]};
}

}  // namespace orrery
