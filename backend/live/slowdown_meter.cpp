#include "backend/live/slowdown_meter.hpp"

#include <algorithm>
#include <cmath>

namespace orrery::live {

// The weighted mean and sum of squares, one report at a time (West, Updating Mean and Variance Estimates, 1979).
void StepTime::add(std::int64_t steps, Duration spent) {
  const double weight = static_cast<double>(steps), one_ns = static_cast<double>(spent.ns) / weight;
  steps_ += steps;
  ++reports_;
  const double off = one_ns - mean_ns_;
  mean_ns_ += off * weight / static_cast<double>(steps_);
  squares_ += weight * off * (one_ns - mean_ns_);
}

void StepTime::fade() {
  steps_ /= 2;
  reports_ /= 2;
  squares_ /= 2;
}

double StepTime::error_ns() const {
  if (reports_ < 2) return 0;
  return std::sqrt(std::max(0.0, squares_) / static_cast<double>(reports_ - 1) / static_cast<double>(steps_));
}

void SlowdownMeter::forget() {
  const bool beside = beside_;
  *this = {};
  beside_ = beside;
}

void SlowdownMeter::changed(bool beside) {
  beside_ = beside;
  drop_ = kDropped;
  now_ = {};
  next_ = kLeastSteps;
}

std::optional<StepTime> SlowdownMeter::report(std::int64_t steps, Duration spent) {
  if (steps <= 0 || spent.ns <= 0) return std::nullopt;
  if (drop_ > 0) {
    --drop_;
    return std::nullopt;
  }
  if (!beside_) {
    if (alone_.steps() >= kMostSteps && alone_.reports() >= 2 * kLeastReports) alone_.fade();  // machines change
    alone_.add(steps, spent);
  }
  now_.add(steps, spent);
  if (!enough(now_) || now_.steps() < next_) return std::nullopt;
  const StepTime seen = now_;
  next_ = std::max(next_ * 2, seen.steps() + 1);
  if (seen.steps() >= kMostSteps) {
    now_ = {};
    next_ = kMostSteps;
  }
  if (!beside_ || !enough(alone_)) return seen;
  const double ratio = seen.mean_ns() / alone_.mean_ns();
  // Of a quotient of two means that vary independently, to first order.
  const double error = ratio * std::hypot(seen.error_ns() / seen.mean_ns(), alone_.error_ns() / alone_.mean_ns());
  slowdown_ = {std::llround((ratio - 1) * 1e6), std::llround(error * 1e6), seen.steps()};
  return seen;
}

}  // namespace orrery::live
