// The placements: where a job goes once it has been chosen (docs/policies/placements.md; the rules are
// repeated at each class). All of them take the lowest-numbered free GPUs of a node, put a fraction of
// a GPU on the partly used GPU that it fills best, and check GPU type, CPUs and memory.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "sim/api/placement.hpp"

namespace orrery {

struct PlacementInfo {
  std::string_view name;
  std::string_view doc;
  std::unique_ptr<Placement> (*make)(std::uint64_t seed);  // the seed matters to `random` only
};

#define P(name) extern const PlacementInfo name##_placement;
#include "policies/placement/registry.inc"
#undef P

[[nodiscard]] const std::vector<PlacementInfo>& placement_table();

// The placement of that name, or null.
[[nodiscard]] std::unique_ptr<Placement> make_placement(std::string_view name, std::uint64_t seed);

}  // namespace orrery
