#include "policies/reference/worlds.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace orrery {

Duration muri_toll(const JobSpec& job) {
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
      if (row_gpus == job.demand.gpus && kModels[m] == job.model) return seconds(row[m]);
  return seconds(10);
}

Work muri_work(std::int64_t iterations, Duration iteration_time) {
  return {static_cast<std::int64_t>(Int128{iterations} * iteration_time.ns * 1015 / 1000)};
}

bool muri_same_end(Time earlier, Time later) {
  return Int128{(later - earlier).ns} * 1'000'000'000 <= later.ns;
}

Time pollux_stretch_end(Time end, Time now) {
  constexpr Duration kInterval = seconds(60);
  const Time at = std::max(Time{round_half_even(end.ns, kNsPerSecond) * kNsPerSecond}, now);
  return at < end && at.ns % kInterval.ns == 0 ? at + Duration{1} : at;
}

Belief::Split pollux_split(Belief::Split ours, std::int64_t batch, std::int32_t gpus) {
  if (gpus > 1 || ours.accumulation > 0) return ours;
  return {(batch + 1) / 2, 1};
}

Belief::Split titan_split(Belief::Split ours, std::int64_t, std::int32_t) {
  return {ours.per_gpu, ours.accumulation + 1};
}

// As Python's round() does.
Duration titan_rounded(double seconds) {
  const auto whole = static_cast<std::int64_t>(seconds);
  const double rest = seconds - static_cast<double>(whole);
  const bool up = rest > 0.5 || (rest == 0.5 && whole % 2 != 0);
  return Duration{(whole + (up ? 1 : 0)) * kNsPerSecond};
}

namespace {

template <std::int64_t step_s>
Duration counted_in_steps(Time from, Time to) {
  constexpr Duration kStep = seconds(step_s);
  Duration counted{};
  for (Time end{(from.ns / kStep.ns + 1) * kStep.ns}; end < to; end = end + kStep) {
    counted += seconds(whole_seconds(end - from));
    from = end;
  }
  return counted + seconds(whole_seconds(to - from));
}

}  // namespace

CountedTime titan_counted(std::string_view policy) {
  if (policy == "themis") return counted_in_steps<60>;
  if (policy == "titan") return counted_in_steps<120>;
  return counted_in_steps<300>;
}

}  // namespace orrery
