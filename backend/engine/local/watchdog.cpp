#include "backend/engine/local/watchdog.hpp"

#include <algorithm>

namespace orrery::live {

void Watchdog::heard(std::int64_t now_ns) {
  if (last_ >= 0) {
    intervals_[count_++ % kRecent] = now_ns - last_;
    auto sorted = intervals_;
    const auto end = sorted.begin() + static_cast<std::ptrdiff_t>(std::min(count_, kRecent));
    const auto middle = sorted.begin() + (end - sorted.begin()) / 2;
    std::nth_element(sorted.begin(), middle, end);
    median_ = *middle;
  }
  last_ = now_ns;
}

void Watchdog::shift(std::int64_t ns) {
  if (last_ >= 0) last_ += ns;
}

std::int64_t Watchdog::deadline_ns() const {
  if (last_ < 0 || minimum_.ns <= 0) return kNever.ns;
  const Duration silence{std::max(minimum_.ns, kFactor * median_)};
  return add_ns(last_, (silence + allowance_).ns);
}

}  // namespace orrery::live
