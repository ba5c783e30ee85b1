// Policies of a shared library (sim/api/policy_library.hpp): loading one, checking that it fits this program, making
// one of its policies. A library stays loaded until the program ends. A program without shared libraries (preset
// portable) refuses in one sentence.
#pragma once

#include <memory>
#include <string>

#include "scenarios/spec/scenario.hpp"
#include "sim/api/policy_info.hpp"

namespace orrery::app {

// The row of that name in the library that the configuration names.
[[nodiscard]] Expected<const PolicyInfo*> library_row(const PolicyConfig& config);

// The policy of that row, which turns whatever its code throws into a PolicyFailed.
[[nodiscard]] Expected<std::unique_ptr<Policy>> make_library_policy(const PolicyConfig& config, const PolicyInfo& row,
                                                                    std::uint64_t seed);

}  // namespace orrery::app
