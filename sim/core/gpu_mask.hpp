// Which GPUs of one node: a set of up to 128 of them (an NVL72 domain is one node of 72), bit i = the node's i-th
// GPU. Two words and no more: nearly every node has at most 64 GPUs, so that what counts or looks for bits asks the
// upper word only where it is not empty.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>

namespace orrery {

class GpuMask {
 public:
  static constexpr int kMost = 128;

  constexpr GpuMask() = default;
  // The GPUs of one word or two; a mask of at most 64 GPUs may be written as a number.
  constexpr GpuMask(std::uint64_t low, std::uint64_t high = 0) : low_(low), high_(high) {}
  // GPUs 0 to n - 1; 0 <= n <= kMost.
  [[nodiscard]] static constexpr GpuMask first(int n) { return {ones(std::min(n, 64)), ones(std::max(n - 64, 0))}; }
  // GPUs `from` to `to` - 1; 0 <= from <= to <= kMost.
  [[nodiscard]] static constexpr GpuMask range(int from, int to) { return first(to) & ~first(from); }
  // GPU i alone; 0 <= i < kMost.
  [[nodiscard]] static constexpr GpuMask one(int i) {
    return i < 64 ? GpuMask(std::uint64_t{1} << i) : GpuMask(0, std::uint64_t{1} << (i - 64));
  }

  [[nodiscard]] constexpr bool any() const { return (low_ | high_) != 0; }
  [[nodiscard]] constexpr bool has(int i) const {
    return i < 64 ? ((low_ >> i) & 1) != 0 : i < kMost && ((high_ >> (i - 64)) & 1) != 0;
  }
  [[nodiscard]] constexpr int count() const { return bits(low_) + (high_ != 0 ? bits(high_) : 0); }
  // The number of the lowest GPU; kMost when there is none.
  [[nodiscard]] constexpr int lowest() const {
    return low_ != 0 ? std::countr_zero(low_) : 64 + std::countr_zero(high_);
  }
  constexpr void drop_lowest() { (low_ != 0 ? low_ : high_) &= (low_ != 0 ? low_ : high_) - 1; }
  // The `n` lowest of them, or all when there are fewer.
  [[nodiscard]] constexpr GpuMask lowest(int n) const {
    GpuMask rest = *this;
    for (; n > 0 && rest.any(); --n) rest.drop_lowest();
    return *this & ~rest;
  }
  [[nodiscard]] constexpr std::uint64_t low_word() const { return low_; }
  [[nodiscard]] constexpr std::uint64_t high_word() const { return high_; }

  friend constexpr bool operator==(const GpuMask&, const GpuMask&) = default;
  friend constexpr GpuMask operator&(GpuMask a, GpuMask b) { return {a.low_ & b.low_, a.high_ & b.high_}; }
  friend constexpr GpuMask operator|(GpuMask a, GpuMask b) { return {a.low_ | b.low_, a.high_ | b.high_}; }
  friend constexpr GpuMask operator~(GpuMask a) { return {~a.low_, ~a.high_}; }
  constexpr GpuMask& operator&=(GpuMask b) { return *this = *this & b; }
  constexpr GpuMask& operator|=(GpuMask b) { return *this = *this | b; }

 private:
  [[nodiscard]] static constexpr std::uint64_t ones(int n) {
    return n >= 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << n) - 1;
  }
  // std::popcount in sums of 2, 4 and 8 bits: code for any CPU of its kind would call a function with a table.
  [[nodiscard]] static constexpr int bits(std::uint64_t v) {
    v -= (v >> 1) & 0x5555'5555'5555'5555;
    v = (v & 0x3333'3333'3333'3333) + ((v >> 2) & 0x3333'3333'3333'3333);
    v = (v + (v >> 4)) & 0x0f0f'0f0f'0f0f'0f0f;
    return static_cast<int>((v * 0x0101'0101'0101'0101) >> 56);
  }

  std::uint64_t low_ = 0;   // GPUs 0 to 63
  std::uint64_t high_ = 0;  // GPUs 64 to 127
};

}  // namespace orrery
