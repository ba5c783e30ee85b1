// Tells a gang that hangs from one that is slow: no line for ten times the median interval of its recent lines, or a
// minimum where that is longer. Pure logic without a clock; the engine asks it for a deadline.
#pragma once

#include <array>
#include <cstdint>

#include "sim/core/time.hpp"

namespace orrery::live {

class Watchdog {
 public:
  // `minimum` 0 = never. `allowance` covers phases without a line: start, restore, save.
  Watchdog(Duration minimum, Duration allowance) : minimum_(minimum), allowance_(allowance) {}

  // A line came, or (the first call) the gang was launched.
  void heard(std::int64_t now_ns);
  // The gang stood still by our wish for so long: it does not count.
  void shift(std::int64_t ns);
  // When the gang has to be taken for hung; kNever.ns before the first heard() and without a minimum.
  [[nodiscard]] std::int64_t deadline_ns() const;

 private:
  static constexpr std::size_t kRecent = 31;
  static constexpr std::int64_t kFactor = 10;
  Duration minimum_, allowance_;
  std::array<std::int64_t, kRecent> intervals_{};
  std::size_t count_ = 0;  // of intervals ever
  std::int64_t last_ = -1;
  std::int64_t median_ = 0;
};

}  // namespace orrery::live
