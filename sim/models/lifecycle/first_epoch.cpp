#include "sim/models/lifecycle/first_epoch.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "sim/core/random.hpp"

namespace orrery {
namespace {

constexpr double kMillion = 1e6;

}  // namespace

Work epoch_work(const JobTruth& truth) {
  if (truth.epochs <= 0) return {};
  return {std::max<std::int64_t>(1, truth.work.ns / truth.epochs)};
}

EpochWorth measured_worth(const AssessModel& model, JobId job, JobId parent, Work base, Work left) {
  const double worth = static_cast<double>(base.ns) / static_cast<double>(std::max<std::int64_t>(left.ns, 1));
  const double error = model.error * std::max(worth, 1.0);
  RandomStream rng = stream(model.seed, fmt::format("assessed/{}/{}", job.value, parent.value));
  const double seen = std::max(worth + error * standard_normal(rng), 0.0);
  return {std::llround(seen * kMillion), std::max<std::int64_t>(1, std::llround(error * kMillion))};
}

}  // namespace orrery
