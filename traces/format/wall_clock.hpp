// Dates and times as traces write them: what the clock on the wall said, with or without its zone.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace orrery {

// "2017-10-09 07:01:55", or with a T for the blank, as seconds since 1970 of the same wall clock; nothing for other
// texts and years, nor for days that no calendar has.
[[nodiscard]] std::optional<std::int64_t> parse_wall_clock(std::string_view t);
// "2023-05-17 11:00:58+08:00" as seconds since 1970 in UTC.
[[nodiscard]] std::optional<std::int64_t> parse_zoned_clock(std::string_view t);

}  // namespace orrery
