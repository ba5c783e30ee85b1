// How the worth of a parent grows with its progress: a law that the simulated world follows (sim/models/lifecycle/
// transfer.hpp) and that a policy may believe in.
#pragma once

#include <cstdint>

namespace orrery {

// The share of a finished parent's gain that a version with `progress_per_mille` of its work gives, in billionths:
// g(q) = (1 - e^(-q/q0)) / (1 - e^(-1/q0)) with q0 = 0.3; 0 at 0, 10^9 at 1000, concave.
[[nodiscard]] std::int64_t transfer_share(std::int32_t progress_per_mille);

}  // namespace orrery
