// Dates and times as traces write them, without a zone: what the clock on the wall said.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace orrery {

// "2017-10-09 07:01:55" as seconds since 1970 of the same wall clock; nothing for other texts and years.
[[nodiscard]] std::optional<std::int64_t> parse_wall_clock(std::string_view t);

}  // namespace orrery
