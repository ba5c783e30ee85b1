// How long something took, many times over, in constant space: counts in buckets of a 32nd of a power of two, so that
// a quantile is off by at most 1.6 %.
#pragma once

#include <array>
#include <bit>
#include <chrono>
#include <cstdint>
#include <optional>

namespace orrery::app {

class LatencyHistogram {
 public:
  void add(std::chrono::nanoseconds d) {
    ++counts_[bucket(static_cast<std::uint64_t>(d.count() > 0 ? d.count() : 0))];
    ++total_;
  }
  // The latency, in seconds, that a share q of (0, 1] of them did not exceed; nothing before the first.
  [[nodiscard]] std::optional<double> quantile_s(double q) const {
    std::uint64_t seen = 0;
    for (std::size_t b = 0; b < counts_.size(); ++b) {
      seen += counts_[b];
      if (seen > 0 && static_cast<double>(seen) >= q * static_cast<double>(total_)) return middle_ns(b) / 1e9;
    }
    return std::nullopt;
  }

 private:
  static constexpr unsigned kBits = 5;  // of a value's leading digits that a bucket keeps
  static constexpr std::size_t kPerOctave = std::size_t{1} << kBits;

  // Below kPerOctave every nanosecond has its own.
  static std::size_t bucket(std::uint64_t ns) {
    if (ns < kPerOctave) return ns;
    const unsigned shift = static_cast<unsigned>(std::bit_width(ns)) - 1 - kBits;
    return kPerOctave * (shift + 1) + ((ns >> shift) - kPerOctave);
  }
  static double middle_ns(std::size_t b) {
    if (b < kPerOctave) return static_cast<double>(b);
    const std::size_t shift = b / kPerOctave - 1;
    const double width = static_cast<double>(std::uint64_t{1} << shift);
    return width * (static_cast<double>(kPerOctave + b % kPerOctave) + (shift > 0 ? 0.5 : 0));
  }

  std::array<std::uint64_t, kPerOctave*(65 - kBits)> counts_{};
  std::uint64_t total_ = 0;
};

}  // namespace orrery::app
