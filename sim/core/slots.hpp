// Things that come and go, by number: the numbers of those that have left are used again, so that what a run looks at
// all the time lies close together and its tables do not grow with all that ever was.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace orrery {

// `Sequence` holds the Ts: a std::deque where they must stay where they are.
template <class T, class Sequence = std::vector<T>>
class Slots {
 public:
  static constexpr std::uint32_t kNone = 0xffffffff;  // no slot's number

  // The number of a slot that nobody has: the one that was left last, as it was left, else a new T.
  [[nodiscard]] std::uint32_t take() {
    if (left_.empty()) {
      all_.emplace_back();
      return static_cast<std::uint32_t>(all_.size() - 1);
    }
    const std::uint32_t slot = left_.back();
    left_.pop_back();
    return slot;
  }
  // Precondition: it was taken and not left since.
  void leave(std::uint32_t slot) { left_.push_back(slot); }

  [[nodiscard]] T& operator[](std::uint32_t slot) { return all_[slot]; }
  [[nodiscard]] const T& operator[](std::uint32_t slot) const { return all_[slot]; }
  // Those that were left are counted: numbers are below it.
  [[nodiscard]] std::size_t size() const { return all_.size(); }

 private:
  Sequence all_;
  std::vector<std::uint32_t> left_;
};

}  // namespace orrery
