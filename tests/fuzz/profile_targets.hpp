// The fuzz targets of recorded capacity and of profiles; see targets.hpp, whose table holds them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace orrery::test {

void run_capacity(std::string_view bytes);
void run_profiles(std::string_view bytes);

std::vector<std::string> capacity_seeds();
std::vector<std::string> profiles_seeds();

}  // namespace orrery::test
