#include "policies/registry.hpp"

namespace orrery {

const std::vector<PolicyInfo>& policy_table() {
  static const std::vector<PolicyInfo> table = {
#define P(name) name##_policy,
#include "policies/registry.inc"
#undef P
  };
  return table;
}

const PolicyInfo* find_policy(std::string_view name) {
  for (const PolicyInfo& p : policy_table())
    if (p.name == name) return &p;
  return nullptr;
}

}  // namespace orrery
