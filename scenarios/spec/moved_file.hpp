// Scenarios and job files lie in rooms (scenarios/recorded, scenarios/studies, ...). Who names a file where it used
// to lie, or in the wrong room, is told where it is.
#pragma once

#include <string>

#include "sim/core/error.hpp"

namespace orrery::app {

// The file of the same name in a room beside or below the folder that `path` names; "" where `path` exists or there
// is no such file.
[[nodiscard]] std::string where_now(const std::string& path);

// The error with that place as a suggestion, where there is one.
[[nodiscard]] Error with_place(Error error, const std::string& path);

}  // namespace orrery::app
