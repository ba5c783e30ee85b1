// Waiting for what is meant, in tests of processes: a condition with a deadline that only a broken program misses.
#pragma once

#include <poll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <optional>

#include "backend/protocol/clock.hpp"
#include "backend/protocol/files.hpp"
#include "sim/core/time.hpp"

namespace orrery::test {

inline constexpr Duration kLongWait = seconds(60);

// Whether the condition came true before the deadline; asked every few milliseconds, for what no event tells of.
template <class Condition>
[[nodiscard]] bool wait_for(const Condition& condition, Duration patience = kLongWait) {
  const std::int64_t until = live::monotonic_ns() + patience.ns;
  while (!condition()) {
    if (live::monotonic_ns() >= until) return false;
    (void)::poll(nullptr, 0, 2);
  }
  return true;
}

// Waits for the end of a child, which is reaped; its wait status, or nothing when it still runs after `patience`.
[[nodiscard]] inline std::optional<int> wait_for_end(pid_t child, Duration patience = kLongWait) {
  const live::Fd fd(static_cast<int>(::syscall(SYS_pidfd_open, child, 0)));
  pollfd polled{fd.get(), POLLIN, 0};
  int status = 0;
  if (::poll(&polled, 1, static_cast<int>(patience.ns / 1'000'000)) <= 0) return std::nullopt;
  return ::waitpid(child, &status, 0) == child ? std::optional<int>(status) : std::nullopt;
}

}  // namespace orrery::test
