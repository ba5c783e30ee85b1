// Where a rank says what it does: <run folder>/logs/rank-R.txt, one line per note with date and time (UTC). The
// stdout of a worker is the protocol, so nothing else may write there. A log that cannot be written loses notes,
// never work.
#pragma once

#include <string>
#include <string_view>

#include "backend/protocol/clock.hpp"
#include "backend/protocol/files.hpp"

namespace orrery::worker {

using live::monotonic_ns;

class Log {
 public:
  // Appends to the rank's file in `run_folder`, which is created.
  [[nodiscard]] static Expected<Log> open(const std::string& run_folder, int rank);
  void note(std::string_view text);
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_{};
  live::Fd file_{};
};

}  // namespace orrery::worker
