// The table of all policies: what `policy list` and `policy show` print, and what makes a policy from its name and
// options. One row per name; a new policy is one .cpp, one declaration in factories.hpp and one row here.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "policies/factories.hpp"

namespace orrery {

struct PolicyInfo {
  std::string_view name;
  std::string_view title;       // one line for `policy list`
  std::string_view doc;         // what it does, for `policy show`
  std::string_view source;      // paper
  PolicyFactory make = nullptr;
  std::vector<OptionSpec> options{};
};

[[nodiscard]] const std::vector<PolicyInfo>& policy_table();
[[nodiscard]] const PolicyInfo* find_policy(std::string_view name);

}  // namespace orrery
