#include "policies/parts/availability_profile.hpp"

#include <algorithm>

namespace orrery {

void AvailabilityProfile::advance(Time now) {
  std::size_t current = 0;
  while (current + 1 < points_.size() && points_[current + 1].at <= now) ++current;
  if (current > 0) points_.erase(points_.begin(), points_.begin() + static_cast<std::ptrdiff_t>(current));
  points_.front().at = std::max(points_.front().at, now);
}

std::size_t AvailabilityProfile::split(Time at) {
  const auto next =
      std::upper_bound(points_.begin(), points_.end(), at, [](Time t, const Point& p) { return t < p.at; });
  const auto before = next - 1;
  if (before->at == at) return static_cast<std::size_t>(before - points_.begin());
  const Point fresh{at, before->free};
  const auto index = next - points_.begin();
  points_.insert(next, fresh);
  return static_cast<std::size_t>(index);
}

void AvailabilityProfile::add(Time from, Time to, std::int64_t delta) {
  from = std::max(from, points_.front().at);
  if (from >= to || delta == 0) return;
  const std::size_t first = split(from);
  const std::size_t last = to == kNever ? points_.size() : split(to);
  for (std::size_t i = first; i < last; ++i) points_[i].free += delta;
  // Neighbours that have become equal are one piece again.
  if (last < points_.size() && points_[last].free == points_[last - 1].free)
    points_.erase(points_.begin() + static_cast<std::ptrdiff_t>(last));
  if (first > 0 && points_[first].free == points_[first - 1].free)
    points_.erase(points_.begin() + static_cast<std::ptrdiff_t>(first));
}

Time AvailabilityProfile::earliest(std::int64_t amount, Duration length, Time from) const {
  std::size_t i = 0;
  if (from > points_.front().at)
    i = static_cast<std::size_t>(
            std::upper_bound(points_.begin(), points_.end(), from, [](Time t, const Point& p) { return t < p.at; }) -
            points_.begin()) -
        1;
  Time start = std::max(from, points_.front().at);
  bool open = points_[i].free >= amount;
  for (; i < points_.size(); ++i) {
    if (points_[i].free >= amount) {
      if (!open) start = points_[i].at;
      open = true;
      continue;
    }
    if (open && points_[i].at >= start + length) return start;
    open = false;
  }
  return open ? start : kNever;
}

}  // namespace orrery
