// Completion times as TitanSched's simulator counts them, for `emulate: titan`: it goes in steps of its scheduling
// interval and rounds the time that a job ran in each to whole seconds, so that its jobs' own clocks drift from the
// real one by up to half a second per launch. A pure fold over the event stream.
#pragma once

#include <vector>

#include "sim/control/observer.hpp"

namespace orrery {

class SteppedClock final : public Observer {
 public:
  explicit SteppedClock(Duration interval) : interval_(interval) {}

  void on_begin(const RunContext& context) override { jobs_.resize(context.records->size()); }
  void on_event(const Event& e) override;

  // [job] time from submission to finish, seconds; NaN for jobs that did not finish.
  [[nodiscard]] std::vector<double> jct_by_job_s() const;

 private:
  enum class Phase : std::uint8_t { waiting, starting, running, ended };
  struct Job {
    Phase phase = Phase::waiting;
    Time since{};
    Duration counted{};
    bool finished = false;
  };
  void enter(Job& j, Phase to, Time now) const;

  Duration interval_;
  std::vector<Job> jobs_;
};

}  // namespace orrery
