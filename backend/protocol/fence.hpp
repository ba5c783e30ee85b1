// Who commands a run: its folder has a file with the token of the controller that took it over last, and whoever
// holds another token is fenced off. Controllers ask before they command or write the journal, workers before they
// obey and before they commit a checkpoint, so that one which was taken for dead and comes back changes nothing. Who
// may claim is decided by the lock on the journal, not here.
#pragma once

#include <cstdint>
#include <string>

#include "backend/protocol/files.hpp"
#include "sim/core/error.hpp"

namespace orrery::live {

struct Fence {
  std::string path{};      // of the file; empty: nobody else commands, and it always holds
  std::int64_t token = 0;  // >= 1 where there is a file
  // Whether the file still has this token. One that is gone or cannot be read belongs to somebody else.
  [[nodiscard]] bool holds() const;
  friend bool operator==(const Fence&, const Fence&) = default;
};

// Writes a token into the file that nobody has had: later than the one that is there, and than the present time, so
// that one that was made in a folder of the same name, which was then removed, does not come again.
[[nodiscard]] Expected<Fence> claim_fence(const std::string& path);

// What somebody says who is fenced off.
inline constexpr const char* kFencedOff = "another controller has taken over this run";

}  // namespace orrery::live
