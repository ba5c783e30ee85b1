// The rank's side of the protocol: lines in on stdin, lines out on stdout (rank 0 only), SIGTERM and SIGINT as a wish
// to stop, and the lease. It gathers what is wanted and never acts; the worker looks at wants() when it can. Writing
// never blocks: a controller that stops reading must not keep the rank from noticing that its lease has run out.
#pragma once

#include <poll.h>

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "backend/protocol/line_buffer.hpp"
#include "backend/protocol/log.hpp"
#include "backend/protocol/protocol.hpp"

namespace orrery::worker {

// A line about members, and when it was read.
struct MemberWish {
  std::variant<live::Join, live::ToMember> what;
  std::int64_t at_ns = 0;
};

// What the controller wants and has not got yet.
struct Wants {
  std::optional<live::Start> start{};
  bool save = false;
  int publish = 0;
  std::vector<MemberWish> members{};  // in the order of the lines
  std::optional<live::Reconfigure> reconfigure{};
  std::optional<live::Fill> fill{};
  std::optional<live::Slow> slow{};
  std::string stop{};        // why; empty = nobody wants that
  std::int64_t stop_ns = 0;  // since when (CLOCK_MONOTONIC)
  bool continued = false;    // the process has been stopped and continued (SIGSTOP, SIGCONT)
  std::string violation{};   // what broke the protocol, or that the controller commands the run no more
};

class Wire {
 public:
  // Blocks SIGTERM, SIGINT, SIGHUP and SIGCONT for the process and reads them instead; ignores SIGPIPE.
  Wire(bool speaks, Log& log);

  Wants& wants() { return wants_; }
  // As if `stop` had been said.
  void want_stop(std::string why);
  // Queues the line; nothing on ranks other than 0.
  void say(const live::FromWorker& message);
  // Bytes said that the controller has not taken.
  [[nodiscard]] std::size_t backlog() const { return out_.size(); }
  // Gives the controller up to `limit_ns` to take the rest.
  void flush(std::int64_t limit_ns);

  // For one poll(): what to wait for, until when at most (monotonic ns), and what to do with the outcome.
  void add_to(std::vector<pollfd>& polled) const;
  [[nodiscard]] std::int64_t lease_ends() const { return lease_ends_; }
  void take(const std::vector<pollfd>& polled);
  // Signals that have come, poll or not.
  void take_signals();

 private:
  void read_lines();
  void obey(const live::ToWorker& message);
  void write_some();
  void grant(std::int64_t seconds);

  bool speaks_;
  Log* log_;
  Wants wants_{};
  bool open_ = true;  // stdin
  live::LineBuffer lines_{};
  std::string out_{};
  live::Fd signals_{};
  bool started_ = false;
  live::Fence fence_{};
  std::int64_t lease_ends_;
};

}  // namespace orrery::worker
