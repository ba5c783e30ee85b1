// Finds out which rank of a gang failed first. Of ranks that end within a moment the cause is the one that a signal
// ended: the others leave because they lost it, and may be seen before it (a killed process closes its sockets before
// its end can be seen). So a rank that left badly by itself is suspected for a moment before it is blamed. Pure logic
// without a clock; the engine asks it for a deadline.
#pragma once

#include <cstdint>
#include <optional>

#include "sim/core/time.hpp"

namespace orrery::live {

class Inquest {
 public:
  explicit Inquest(int ranks) : left_(ranks) {}
  // Rank `rank` has ended: `well`, or badly, by itself or by `signal`.
  void ended(int rank, bool well, int signal, std::int64_t now_ns);
  // The rank to blame, once that is known.
  [[nodiscard]] std::optional<int> culprit(std::int64_t now_ns) const;
  // When a suspect is to be blamed if no other rank ends; kNever without one.
  [[nodiscard]] std::int64_t deadline_ns() const { return deadline_; }

 private:
  static constexpr Duration kMoment = milliseconds(20);
  int left_;  // ranks that have not ended
  std::optional<int> suspect_{};
  bool by_signal_ = false;
  std::int64_t deadline_ = kNever.ns;
};

}  // namespace orrery::live
