// What one sees of a live run: on a terminal a block of lines with slots, jobs and queue that is redrawn, elsewhere
// one plain line per start and end; and DIR/status.json, replaced at most once a second, for `orrery live status`.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "scenarios/run/live_view.hpp"

namespace orrery::app {

class LiveScreen final : public LiveView {
 public:
  // Quiet: no line but the status file.
  LiveScreen(LiveViewSetup setup, bool quiet);

  void on_begin(const RunContext& context) override { context_ = context; }
  void on_event(const Event& e) override;
  void on_batch_end(Time now) override;
  void on_end(Time now) override;
  void beat(Time now) override;
  void interrupted(Time now) override;
  void failure(const std::string& why) override;
  void line(const std::string& text) override;

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

  LiveViewSetup setup_;
  const Prepared* prepared_;
  bool quiet_;
  RunContext context_{};
  bool terminal_ = false, stopped_ = false;
  int drawn_lines_ = 0;
  std::int64_t drawn_ns_ = 0, written_ns_ = 0;  // CLOCK_MONOTONIC
  std::int64_t finished_ = 0, failures_ = 0, launches_ = 0, failed_ = 0, rejected_ = 0;
  Drift drift_{};
};

// For a LiveRequest.
[[nodiscard]] MakeLiveView live_screen(bool quiet);

}  // namespace orrery::app
