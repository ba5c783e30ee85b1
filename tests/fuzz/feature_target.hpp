// Entries of the store of features as a fuzz target.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace orrery::test {

void run_features(std::string_view bytes);
[[nodiscard]] std::vector<std::string> feature_seeds();

}  // namespace orrery::test
