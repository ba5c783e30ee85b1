// Decimals as text: the exact inverse of parse_fixed() for values >= 0.
#pragma once

#include <cstdint>
#include <string>

namespace orrery {

// Appends value / 10^digits without trailing zeros; value >= 0.
void append_fixed(std::string& out, std::int64_t value, int digits);
// Seconds of a number of ns >= 0: 1'500'000'000 is "1.5".
[[nodiscard]] std::string seconds_text(std::int64_t ns);

}  // namespace orrery
