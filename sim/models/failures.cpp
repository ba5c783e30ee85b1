#include "sim/models/failures.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace orrery {

NodeFailures::NodeFailures(const FailureModel& model, std::uint32_t node)
    : rng_(stream(model.seed, fmt::format("faults/node/{}", node))), mean_{model.node_mtbf, model.repair} {}

Duration NodeFailures::next() {
  const Duration mean = mean_[down_ ? 1 : 0];
  down_ = !down_;
  const double ns = exponential(rng_, static_cast<double>(std::max<std::int64_t>(mean.ns, 1)));
  constexpr double kLongest = 4e18;  // 127 years
  return Duration{std::max<std::int64_t>(1, static_cast<std::int64_t>(std::min(ns, kLongest)))};
}

}  // namespace orrery
