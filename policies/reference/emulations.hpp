// The simulators that a run can reproduce, by the name that `emulate:` gives them.
#pragma once

#include <span>
#include <string_view>

#include "sim/api/emulation.hpp"

namespace orrery {

[[nodiscard]] std::span<const Emulation> emulations();
[[nodiscard]] const Emulation* find_emulation(std::string_view name);  // null for `none`

// The row of a policy as that simulator has it: how it is made, and with which options. Null: as it is.
[[nodiscard]] PolicyInfo emulated(const PolicyInfo& info, const Emulation* e);

}  // namespace orrery
