// The clock that all waiting of the live side is done on, by controllers and workers.
#pragma once

#include <cstdint>

namespace orrery::live {

// Nanoseconds of CLOCK_MONOTONIC.
[[nodiscard]] std::int64_t monotonic_ns();

}  // namespace orrery::live
