// All policies: what makes one from its name, and what `orrery policy list` prints. A new policy is one .cpp with its
// row (`const PolicyInfo NAME_policy`) and one line in registry.inc.
#pragma once

#include <string_view>
#include <vector>

#include "sim/api/policy_info.hpp"

namespace orrery {

#define P(name) extern const PolicyInfo name##_policy;
#include "policies/registry.inc"
#undef P

[[nodiscard]] const std::vector<PolicyInfo>& policy_table();
[[nodiscard]] const PolicyInfo* find_policy(std::string_view name);  // null: there is none

}  // namespace orrery
