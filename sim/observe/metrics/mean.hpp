// A mean that says nothing when there was nothing to take it of.
#pragma once

#include <cstdint>
#include <optional>

namespace orrery {

struct Mean {
  double sum = 0;
  std::int64_t n = 0;
  void add(double v) {
    sum += v;
    ++n;
  }
  [[nodiscard]] std::optional<double> value() const {
    return n > 0 ? std::optional<double>(sum / static_cast<double>(n)) : std::nullopt;
  }
};

}  // namespace orrery
