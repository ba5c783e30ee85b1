// Policies as published simulators implement them: what a policy of the same name becomes under `emulate:`. Each in a
// file of its own; which simulator runs which is said in emulations.cpp.
#pragma once

#include "sim/api/policy_info.hpp"

namespace orrery {

// One list of all runnable jobs, stably sorted anew at every event (Tiresias, Muri).
std::unique_ptr<Policy> list_srtf(PolicySetup setup, OptionReader& options);
std::unique_ptr<Policy> list_srsf(PolicySetup setup, OptionReader& options);
std::unique_ptr<Policy> list_smallest(PolicySetup setup, OptionReader& options);
// The job after each started one is passed over at that event (Tiresias).
std::unique_ptr<Policy> skipping_lpjf(PolicySetup setup, OptionReader& options);
// Crossings of limits in whole seconds, each simulator with arithmetic of its own.
std::unique_ptr<Policy> whole_second_tiresias(PolicySetup setup, OptionReader& options);
std::unique_ptr<Policy> divided_limit_tiresias(PolicySetup setup, OptionReader& options);
// Looked at every scheduling interval.
std::unique_ptr<Policy> pollux_tiresias(PolicySetup setup, OptionReader& options);
std::unique_ptr<Policy> pollux_optimus(PolicySetup setup, OptionReader& options);
std::unique_ptr<Policy> titan_tiresias(PolicySetup setup, OptionReader& options);
std::unique_ptr<Policy> titan_optimus(PolicySetup setup, OptionReader& options);
std::unique_ptr<Policy> titan_srtf(PolicySetup setup, OptionReader& options);
std::unique_ptr<Policy> titan_themis(PolicySetup setup, OptionReader& options);
std::unique_ptr<Policy> titan_titan(PolicySetup setup, OptionReader& options);

}  // namespace orrery
