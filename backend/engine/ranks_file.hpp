// RUN_FOLDER/ranks: the processes of a launch, for a controller that takes over: one handle a line, after the folder
// that they were started in. Engines write it before they say `start`, so a rank that is not in it has done nothing
// yet, and leaves by itself.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "backend/engine/engine.hpp"

namespace orrery::live {

[[nodiscard]] Expected<Ok> write_ranks(const std::string& run_folder, std::span<const ProcessHandle> ranks);
// Who they were; a file cut short lists fewer. Nobody in a copy of a folder that is still there: its processes are
// the original's, whose controller may be alive. One that was moved keeps them.
[[nodiscard]] std::vector<ProcessHandle> read_ranks(const std::string& run_folder);

}  // namespace orrery::live
