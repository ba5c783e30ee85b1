// Notices a run that does not get anywhere: jobs whose work outlasts what their nodes do, and that do not save it,
// would be started again until the clock ends.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "scenarios/run/prepared.hpp"
#include "sim/control/observer.hpp"

namespace orrery::app {

// Thrown by the watch: ends the controller's loop.
struct NoProgress {
  std::string why;
};

// The rule: so many failures in a row, of whatever jobs, without one that finishes or has more saved than it ever
// had; and so many of each job that failed among them, on average, since one outage fails all that run. Counted in
// failures, not in time, since a long job in a quiet cluster is no reason to stop; so many that a job which would
// finish after all had less than one chance in a thousand at each start. An event costs the same however long the
// row.
class ProgressWatch final : public Observer {
 public:
  static constexpr std::int64_t kFailuresInARow = 10'000;
  static constexpr std::int64_t kFailuresOfAJob = 10;
  // `prepared` must outlive it.
  explicit ProgressWatch(const Prepared& prepared);
  void on_event(const Event& e) override;

 private:
  void begin_row();
  [[nodiscard]] std::string why(const Event& last) const;

  const Prepared* prepared_;
  std::vector<Work> best_;  // [job]: the most it ever had saved
  // A row of failures: its number, how many they are, of how many jobs, and when the first of them was.
  std::uint64_t row_ = 1;
  std::int64_t failures_ = 0, failing_ = 0;
  Time since_{};
  std::vector<std::uint64_t> failed_in_;  // [job]: the row of its last failure
};

}  // namespace orrery::app
