// Fuzzing the lines between Orrery and policies of other languages (sim/api/wire.hpp); a part of the table in
// tests/fuzz/targets.hpp.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace orrery::test {

void run_wire(std::string_view bytes);
std::vector<std::string> wire_seeds();

}  // namespace orrery::test
