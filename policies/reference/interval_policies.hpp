// Policies as the simulators of Pollux and TitanSched re-implement them, looked at every interval: what policies of
// the same names become under `emulate: pollux` and `emulate: titan`. The default path contains none of it.
#pragma once

#include "policies/factories.hpp"

namespace orrery {

[[nodiscard]] std::unique_ptr<Policy> interval_tiresias(PolicySetup setup);
[[nodiscard]] std::unique_ptr<Policy> interval_srtf(PolicySetup setup, bool preempts);  // titan only

}  // namespace orrery
