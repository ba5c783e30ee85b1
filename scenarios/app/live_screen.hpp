// What one sees of a live run: on a terminal a block of lines with slots, jobs and queue that is redrawn, elsewhere
// one plain line per start and end; and DIR/status.json, replaced at most once a second, for `orrery live status`.
#pragma once

#include <cstdint>
#include <string>

#include "scenarios/app/simulate.hpp"
#include "sim/control/observer.hpp"

namespace orrery::app {

class LiveScreen final : public Observer {
 public:
  struct Options {
    std::string folder;  // where status.json goes
    bool quiet = false;
    std::int64_t time_scale = 1;
  };
  // `prepared` must outlive it.
  LiveScreen(const Prepared& prepared, Options options);

  void on_begin(const RunContext& context) override { context_ = context; }
  void on_event(const Event& e) override;
  void on_batch_end(Time now) override;
  void on_end(Time now) override;
  // A gang failed; one line for people.
  void failure(const std::string& why);

 private:
  void line(const std::string& text);
  void redraw(Time now);
  [[nodiscard]] std::string status_json(Time now, bool ended) const;
  [[nodiscard]] std::string block(Time now) const;

  const Prepared* prepared_;
  Options options_;
  RunContext context_{};
  bool terminal_ = false;
  int drawn_lines_ = 0;
  std::int64_t drawn_ns_ = 0, written_ns_ = 0;  // CLOCK_MONOTONIC
  std::int64_t finished_ = 0, failures_ = 0, launches_ = 0;
};

}  // namespace orrery::app
