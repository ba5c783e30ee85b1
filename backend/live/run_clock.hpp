// DIR.live/clock: how far the clock of a live run has got, noted several times a second, so that a run whose
// controller was killed goes on at the moment at which its world stood still. Workers outlive their controller by a
// step and a save; when that was is told by the times of their checkpoints. Those and the time of the note are of one
// clock, that of the file system, whatever the machine's own says.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "backend/protocol/files.hpp"
#include "sim/core/error.hpp"
#include "sim/core/time.hpp"

namespace orrery::live {

// When the file was last written, in ns of its file system's clock; nothing where there is none.
[[nodiscard]] std::optional<std::int64_t> modified_ns(const std::string& path);

// A note: at `at_ns` of the file system's clock the run was at `run`.
struct ClockNote {
  Time run{};
  std::int64_t at_ns = 0;
  // The run's time at another moment of that clock, before or after.
  [[nodiscard]] Time run_at(std::int64_t at_ns, std::int64_t time_scale) const;
};
// Nothing where there is no note, or none that is whole.
[[nodiscard]] std::optional<ClockNote> read_clock(const std::string& path);

class RunClock {
 public:
  // Opens or creates the file.
  [[nodiscard]] static Expected<RunClock> open(const std::string& path);
  // Writes down what `clock` says. Asks again when something kept it from writing at once, since the file's time must
  // be that of the note.
  void note(const std::function<Time()>& clock);

 private:
  explicit RunClock(Fd file) : file_(std::move(file)) {}
  Fd file_;
};

}  // namespace orrery::live
