// Blocks of LINEAGE's index (docs/policies/lineage.md): segments of jobs that are served one after another, with the
// best ratio of weight to service that goes together (Horn 1972, Sidney 1975).
#pragma once

#include <cstddef>
#include <vector>

#include "sim/core/units.hpp"

namespace orrery {

// Segments that are served one after another: their service (ns x GPUs^alpha, in 1024ths) and weight (in 65536ths).
struct LineageBlock {
  Int128 service = 0;
  Int128 weight = 0;
  [[nodiscard]] bool better_than(const LineageBlock& other) const {
    Int128 own = 0, others = 0;
    if (!__builtin_mul_overflow(weight, other.service, &own) &&
        !__builtin_mul_overflow(other.weight, service, &others))
      return own > others;
    // Of years of many GPUs with huge weights.
    return static_cast<double>(weight) * static_cast<double>(other.service) >
           static_cast<double>(other.weight) * static_cast<double>(service);
  }
};
inline LineageBlock operator+(const LineageBlock& a, const LineageBlock& b) {
  return {a.service + b.service, a.weight + b.weight};
}

// Whether `a` is served after `b`: the order of lists of blocks whose best is their last.
[[nodiscard]] inline bool served_later(const LineageBlock& a, const LineageBlock& b) {
  return b.better_than(a);
}

// The blocks of a tree below its first segment.
class LineageTail {
 public:
  // The best last.
  void assign(const std::vector<LineageBlock>& blocks);
  // The block of the first segment: `own` with those below it that make it better.
  [[nodiscard]] LineageBlock led_by(const LineageBlock& own) const;

 private:
  std::vector<LineageBlock> best_first_;
  std::vector<LineageBlock> sums_;  // [i]: of the first i
};

}  // namespace orrery
