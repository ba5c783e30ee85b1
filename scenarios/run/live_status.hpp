// What a live run is doing, as its status.json tells other programs.
#pragma once

#include <string>

#include "sim/core/error.hpp"

namespace orrery::app {

// In words for people, several lines. `run`: its run folder, whether the run goes on, was stopped or has ended. Fails
// where there is none.
[[nodiscard]] Expected<std::string> live_status(const std::string& run);

}  // namespace orrery::app
