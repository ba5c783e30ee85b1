// Placements that look at the structure of the machine: buddy (aligned power-of-two blocks) and topology (fewest
// switches, then fewest nodes, then most NVLink). Made by make_placement() like the others.
#pragma once

#include <memory>

#include "sim/api/placement.hpp"

namespace orrery {

[[nodiscard]] std::unique_ptr<Placement> make_buddy_placement();
[[nodiscard]] std::unique_ptr<Placement> make_topology_placement();

}  // namespace orrery
