// The fuzz target of catalogues of jobs; see targets.hpp, whose table holds it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace orrery::test {

void run_catalogue(std::string_view bytes);
std::vector<std::string> catalogue_seeds();

}  // namespace orrery::test
