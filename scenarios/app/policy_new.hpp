// `orrery policy new NAME`: the files of a policy of one's own, ready to run: the policy, its test, its scenario, and
// the line or the file that builds it. In Python or as a library in a folder of its own, or in the tree.
#pragma once

#include <string>
#include <vector>

namespace orrery::app {

// What follows `policy new`.
[[nodiscard]] int policy_new(const std::vector<std::string>& arguments);

}  // namespace orrery::app
