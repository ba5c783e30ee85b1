// Folders aside, NAME.tmp-PID-N: where a folder is written until it gets its name in one rename. Each is locked by
// the process that writes it, for as long as it lives, so that what a kill left behind is known and can be
// removed.
#pragma once

#include <string>

namespace orrery {

// Locks the folder for this open file; the descriptor (the lock goes with it), or -1 and errno: EWOULDBLOCK where
// somebody has it.
[[nodiscard]] int lock_folder(const std::string& path);

// Removes the folders aside in `parent` that nobody writes any more: named as above, unlocked, and with nothing in
// them but what runs write.
void remove_leftovers(const std::string& parent);

}  // namespace orrery
