// How much longer the steps of a job take while fillers use its bubbles: the time of a step beside them over that of
// a step alone, from the step reports that its worker sends anyway. Steps are told apart by when fillers came, went
// and changed how much they use; reports that may hold steps of both kinds are dropped. Pure logic without a clock.
#pragma once

#include <cstdint>
#include <optional>

#include "sim/core/time.hpp"

namespace orrery::live {

// Time of a step, from reports of several steps each. Steps of a report are taken for independent of each other, so
// the mean over all steps has the standard error sqrt(s^2 / steps), with s^2 = sum of steps_i (mean_i - mean)^2 over
// (reports - 1).
class StepTime {
 public:
  // `steps` > 0 that took so long in all.
  void add(std::int64_t steps, Duration spent);
  // What it knows counts half from now on.
  void fade();
  [[nodiscard]] std::int64_t steps() const { return steps_; }
  [[nodiscard]] std::int64_t reports() const { return reports_; }
  [[nodiscard]] double mean_ns() const { return mean_ns_; }
  [[nodiscard]] double error_ns() const;  // 0 with fewer than two reports

 private:
  std::int64_t steps_ = 0, reports_ = 0;
  double mean_ns_ = 0, squares_ = 0;
};

struct MeasuredSlowdown {
  std::int64_t millionths = 0;  // (step beside) / (step alone) - 1; below 0 where they are faster
  std::int64_t error = 0;       // its standard error, millionths
  std::int64_t steps = 0;       // beside fillers, that it was measured over
  friend bool operator==(const MeasuredSlowdown&, const MeasuredSlowdown&) = default;
};

class SlowdownMeter {
 public:
  // The least that a mean is made of. It is told of after so many steps, and again whenever there are twice as many,
  // up to kMostSteps, of which each is one mean.
  static constexpr std::int64_t kLeastSteps = 16, kLeastReports = 4, kMostSteps = 256;
  // Reports dropped after a change: the one that was on its way, and the one in which it fell.
  static constexpr std::int64_t kDropped = 2;

  // The job runs otherwise from now on, or is another launch: nothing that was known holds.
  void forget();
  // Fillers came, went, or use more or less of the bubbles; whether any is at work now.
  void changed(bool beside);
  // As if what they do had changed: the job was told of it only now.
  void restart() { changed(beside_); }
  // So many steps of the job took so long. The time of a step as it is now, where that is to be told.
  [[nodiscard]] std::optional<StepTime> report(std::int64_t steps, Duration spent);
  // The last mean of steps beside fillers against all that is known of steps alone; nothing without either.
  [[nodiscard]] const std::optional<MeasuredSlowdown>& slowdown() const { return slowdown_; }

 private:
  [[nodiscard]] static bool enough(const StepTime& t) {
    return t.steps() >= kLeastSteps && t.reports() >= kLeastReports;
  }

  StepTime alone_{};  // in all
  StepTime now_{};    // since the last change
  std::int64_t drop_ = 0;
  std::int64_t next_ = kLeastSteps;
  bool beside_ = false;
  std::optional<MeasuredSlowdown> slowdown_{};
};

}  // namespace orrery::live
