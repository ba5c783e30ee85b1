#include "scenarios/report/student_t.hpp"

#include <cmath>

#include "sim/core/assert.hpp"

namespace orrery::report {
namespace {

constexpr double kHalfPi = 1.57079632679489661923;

// The probability of |T| <= sqrt(degrees) tan(angle), as a finite sum in powers of the cosine (Abramowitz and Stegun,
// Handbook of Mathematical Functions, 26.7.3 and 26.7.4).
double within_angle(double angle, std::size_t degrees) {
  const double s = std::sin(angle), c = std::cos(angle);
  const bool odd = degrees % 2 == 1;
  double term = odd ? c : 1, sum = 0;
  for (std::size_t power = odd ? 1 : 0; power + 2 <= degrees; power += 2) {
    sum += term;
    if (term < sum * 1e-18) break;
    const auto k = static_cast<double>(power);
    term *= c * c * (k + 1) / (k + 2);
  }
  return odd ? (angle + s * sum) / kHalfPi : s * sum;
}

}  // namespace

double student_t_quantile(double probability, std::size_t degrees) {
  ORRERY_ASSERT(probability >= 0.5 && probability < 1 && degrees >= 1, "t quantile {} of {} degrees", probability,
                degrees);
  const double wanted = 2 * probability - 1;
  double low = 0, high = kHalfPi;
  for (;;) {
    const double middle = low + (high - low) / 2;
    if (middle <= low || middle >= high) break;
    (within_angle(middle, degrees) < wanted ? low : high) = middle;
  }
  return std::sqrt(static_cast<double>(degrees)) * std::tan(low);
}

}  // namespace orrery::report
