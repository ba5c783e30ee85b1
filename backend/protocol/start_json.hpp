// The JSON of `start`: a flat object whose keys are all required (but `task`) and all known, so that a controller and
// a worker that disagree about it find out at the first line. Part of protocol.hpp; only protocol.cpp includes it.
#pragma once

#include <string>
#include <string_view>

#include <tl/expected.hpp>

#include "backend/protocol/protocol.hpp"

namespace orrery::live {

// The start message in `json`, or what is wrong with it (the caller adds the line).
[[nodiscard]] tl::expected<Start, std::string> start_from_json(std::string_view json);

// One line of JSON. The strings must be UTF-8, as parse demands; other bytes are replaced.
[[nodiscard]] std::string start_to_json(const Start& start);

}  // namespace orrery::live
