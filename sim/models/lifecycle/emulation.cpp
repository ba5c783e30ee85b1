#include "sim/models/lifecycle/emulation.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace orrery {

Duration muri_pause(std::string_view model, std::int32_t gpus) {
  constexpr std::array<std::string_view, 8> kModels = {"vgg16", "vgg19", "resnet18", "shufflenet_v2_x1_0",
                                                       "bert",  "gpt2",  "a2c",      "dqn"};
  constexpr std::array<std::pair<std::int32_t, std::array<int, 8>>, 6> kSeconds = {{
      {1, {7, 7, 4, 4, 10, 10, 38, 5}},
      {2, {7, 7, 5, 4, 10, 10, 39, 5}},
      {4, {8, 8, 5, 5, 10, 10, 39, 6}},
      {8, {9, 9, 7, 5, 10, 10, 46, 6}},
      {16, {9, 10, 7, 7, 10, 10, 46, 8}},
      {32, {10, 10, 7, 8, 10, 10, 46, 8}},
  }};
  for (const auto& [row_gpus, row] : kSeconds)
    for (std::size_t m = 0; m < kModels.size(); ++m)
      if (row_gpus == gpus && kModels[m] == model) return seconds(row[m]);
  return seconds(10);
}

Work muri_work(std::int64_t iterations, Duration iteration_time) {
  return {static_cast<std::int64_t>(Int128{iterations} * iteration_time.ns * 1015 / 1000)};
}

Time StepRounding::end_of(Time end, Time now) const {
  if (unit.ns <= 0) return end;
  const Time at = std::max(Time{round_half_even(end.ns, unit.ns) * unit.ns}, now);
  const bool late = at < end && interval.ns > 0 && at.ns % interval.ns == 0;
  return late ? at + Duration{1} : at;
}

bool muri_same_end(Time earlier, Time later) {
  return Int128{(later - earlier).ns} * 1'000'000'000 <= later.ns;
}

}  // namespace orrery
