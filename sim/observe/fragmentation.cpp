#include "sim/observe/fragmentation.hpp"

#include <algorithm>

namespace orrery {

double fragmented_milli(std::span<const std::int32_t> left_milli, std::int64_t cpu_milli,
                        std::span<const FragmentShape> shapes) {
  double sum = 0;
  for (const FragmentShape& shape : shapes) {
    const auto wanted = std::min<std::int64_t>(shape.gpus, static_cast<std::int64_t>(left_milli.size()));
    std::int64_t fitting = 0, too_small = 0, idle = 0;
    for (const std::int32_t left : left_milli) {
      idle += left;
      if (left >= shape.milli_per_gpu) ++fitting;
      if (left < shape.milli_per_gpu) too_small += left;
    }
    const bool fits = fitting >= wanted && (cpu_milli < 0 || shape.cpu_milli <= cpu_milli);
    sum += shape.share * static_cast<double>(fits ? too_small : idle);
  }
  return sum;
}

}  // namespace orrery
