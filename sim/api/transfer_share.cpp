#include "sim/api/transfer_share.hpp"

#include <cmath>

#include "sim/core/assert.hpp"
#include "sim/core/random.hpp"

namespace orrery {
namespace {

constexpr double kSaturation = 0.3;  // q0
constexpr std::int64_t kFinished = 1'000'000'000;

}  // namespace

std::int64_t transfer_share(std::int32_t progress_per_mille) {
  ORRERY_ASSERT(progress_per_mille >= 0 && progress_per_mille <= 1000, "progress {}", progress_per_mille);
  if (progress_per_mille == 1000) return kFinished;
  const double q = progress_per_mille / 1000.0;
  const double share = (1 - portable_exp(-q / kSaturation)) / (1 - portable_exp(-1 / kSaturation));
  return std::llround(share * static_cast<double>(kFinished));
}

}  // namespace orrery
