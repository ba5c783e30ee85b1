#include "sim/models/speed/gpu_share.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <tuple>
#include <utility>

namespace orrery {

MemoryTable MemoryTable::compile(std::vector<MemoryPoint> points) {
  MemoryTable t;
  std::sort(points.begin(), points.end(), [](const MemoryPoint& a, const MemoryPoint& b) {
    return std::tie(a.local_batch, a.gib) < std::tie(b.local_batch, b.gib);
  });
  for (const MemoryPoint& p : points) {
    if (!t.points_.empty() && t.points_.back().local_batch == p.local_batch) t.points_.pop_back();
    t.points_.push_back(p);
  }
  return t;
}

double MemoryTable::at(double local_batch) const {
  if (points_.empty()) return 0;
  const auto above = std::lower_bound(points_.begin(), points_.end(), local_batch,
                                      [](const MemoryPoint& p, double b) { return p.local_batch < b; });
  if (above == points_.begin()) return above->gib;
  if (above == points_.end()) return points_.back().gib;
  const MemoryPoint& low = above[-1];
  const double part = (local_batch - low.local_batch) / (above->local_batch - low.local_batch);
  return low.gib + (above->gib - low.gib) * part;
}

std::int64_t MemoryTable::most(double gib) const {
  if (points_.empty() || points_.front().gib > gib) return 0;
  std::size_t last = 0;
  while (last + 1 < points_.size() && points_[last + 1].gib <= gib) ++last;
  const MemoryPoint& fits = points_[last];
  double most = fits.local_batch;
  if (last + 1 < points_.size()) {
    const MemoryPoint& over = points_[last + 1];
    most += (gib - fits.gib) / (over.gib - fits.gib) * (over.local_batch - fits.local_batch);
  }
  return static_cast<std::int64_t>(std::min(most, 1e15));
}

Expected<SharedSteps> SharedSteps::compile(const std::vector<SharedStep>& steps) {
  SharedSteps t;
  for (const SharedStep& s : steps) {
    t.batches_.push_back(s.left.local_batch);
    t.batches_.push_back(s.right.local_batch);
  }
  std::sort(t.batches_.begin(), t.batches_.end());
  t.batches_.erase(std::unique(t.batches_.begin(), t.batches_.end()), t.batches_.end());
  const std::size_t n = t.batches_.size();
  if (n > kMostBatches) return fail(fmt::format("pairs of {} local batches; at most {}", n, kMostBatches));
  t.pairs_.resize(n * n);
  const auto index = [&t](double batch) {
    return static_cast<std::size_t>(std::lower_bound(t.batches_.begin(), t.batches_.end(), batch) -
                                    t.batches_.begin());
  };
  for (const SharedStep& s : steps) {
    const std::size_t left = index(s.left.local_batch), right = index(s.right.local_batch);
    const double gib = s.left.gib + s.right.gib;
    if (left == right) {
      t.pairs_[left * n + left] = {(s.left.step_s + s.right.step_s) / 2, gib};
      continue;
    }
    t.pairs_[left * n + right] = {s.left.step_s, gib};
    t.pairs_[right * n + left] = {s.right.step_s, gib};
  }
  return t;
}

std::optional<SharedSteps::Place> SharedSteps::place(double batch) const {
  const auto at = std::lower_bound(batches_.begin(), batches_.end(), batch);
  if (at == batches_.end()) return std::nullopt;
  const auto i = static_cast<std::size_t>(at - batches_.begin());
  if (*at == batch) return Place{i, 0};
  if (i == 0) return std::nullopt;
  return Place{i - 1, (batch - batches_[i - 1]) / (*at - batches_[i - 1])};
}

std::optional<SharedSteps::Beside> SharedSteps::at(double own_batch, double other_batch) const {
  const auto own = place(own_batch), other = place(other_batch);
  if (!own || !other) return std::nullopt;
  Beside sum;
  const auto around = [](const Place& p) {
    return std::array{std::pair(p.low, 1 - p.part), std::pair(p.low + 1, p.part)};
  };
  for (const auto& [i, weight_i] : around(*own))
    for (const auto& [j, weight_j] : around(*other)) {
      const double weight = weight_i * weight_j;
      if (weight <= 0) continue;
      const Beside& b = pairs_[i * batches_.size() + j];
      if (b.step_s <= 0) return std::nullopt;
      sum.step_s += weight * b.step_s;
      sum.gib += weight * b.gib;
    }
  return sum;
}

}  // namespace orrery
