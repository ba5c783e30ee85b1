// What one sees of a live run: on a terminal a block of lines with slots, jobs and queue that is redrawn, elsewhere
// one plain line per start and end; and DIR/status.json, replaced at most once a second, for `orrery live status`.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "scenarios/app/simulate.hpp"
#include "sim/control/observer.hpp"

namespace orrery::app {

class LiveScreen final : public Observer {
 public:
  struct Options {
    std::string folder;  // where status.json goes
    bool quiet = false;
    std::int64_t time_scale = 1;
    Time resumed_from{};                // what was before is replayed: counted, not shown again
    std::function<Work(JobId)> done{};  // how far its work has got, as last reported
  };
  // `prepared` must outlive it. `expected_jct_s`: by job, what a simulation of the same run says, NaN where it says
  // nothing; may be empty.
  LiveScreen(const Prepared& prepared, std::vector<double> expected_jct_s, Options options);

  void on_begin(const RunContext& context) override { context_ = context; }
  void on_event(const Event& e) override;
  void on_batch_end(Time now) override;
  void on_end(Time now) override;
  // While nothing happens: what one sees is not older than a second.
  void beat(Time now);
  // The run was interrupted: nothing runs any more.
  void interrupted(Time now);
  // A gang failed; one line for people.
  void failure(const std::string& why);
  // A line of the run's own.
  void line(const std::string& text);

 private:
  void redraw(Time now);
  void write_status(Time now, bool ended);
  [[nodiscard]] std::string status_json(Time now, bool ended) const;
  [[nodiscard]] std::string block(Time now) const;
  // How much later than simulated the jobs have finished so far: mean and the largest by amount, s of the run.
  struct Drift {
    std::int64_t jobs = 0;
    double sum_s = 0, largest_s = 0;
    std::string largest_job{};
  };
  void drifted(const Event& finished);
  [[nodiscard]] std::string drift_text() const;

  const Prepared* prepared_;
  std::vector<double> expected_jct_s_;
  Options options_;
  RunContext context_{};
  bool terminal_ = false, stopped_ = false;
  int drawn_lines_ = 0;
  std::int64_t drawn_ns_ = 0, written_ns_ = 0;  // CLOCK_MONOTONIC
  std::int64_t finished_ = 0, failures_ = 0, launches_ = 0, failed_ = 0, rejected_ = 0;
  Drift drift_{};
};

}  // namespace orrery::app
