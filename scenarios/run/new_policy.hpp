// The files of a policy of one's own, ready to run: the policy, its test, its scenario, and the line or the file that
// builds it. In Python or as a library in a folder of its own, or in Orrery's tree.
#pragma once

#include <cstdint>
#include <string>

#include "sim/core/error.hpp"

namespace orrery::app {

enum class NewPolicyKind : std::uint8_t { python, library, tree };

// Writes all files or, where one of them is there already, none; returns which they are and how to run them.
// `folder`: where they go, but for those of a policy of the tree, whose root must be the current folder. Fails where
// the name is none for a policy, or is taken.
[[nodiscard]] Expected<std::string> write_new_policy(const std::string& name, NewPolicyKind kind,
                                                     const std::string& folder);

}  // namespace orrery::app
