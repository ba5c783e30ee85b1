#include "policies/placement/placements.hpp"

namespace orrery {

const std::vector<PlacementInfo>& placement_table() {
  static const std::vector<PlacementInfo> table = {
#define P(name) name##_placement,
#include "policies/placement/registry.inc"
#undef P
  };
  return table;
}

std::unique_ptr<Placement> make_placement(std::string_view name, std::uint64_t seed) {
  for (const PlacementInfo& p : placement_table())
    if (p.name == name) return p.make(seed);
  return nullptr;
}

}  // namespace orrery
