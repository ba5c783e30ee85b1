// A published simulator whose results a run reproduces to the digit (`emulate:`): what it does in ways of its own,
// one row a simulator. The rows and all their code are in policies/reference; who asks for one holds a pointer that
// is null unless a scenario emulates.
#pragma once

#include <string_view>
#include <vector>

#include "sim/api/policy_info.hpp"

namespace orrery {

struct Emulation {
  std::string_view name{};
  // Its version of a policy; null where it runs ours.
  PolicyFactory (*policy)(std::string_view name) = nullptr;
  // What its version of a policy can be told besides the options of ours.
  std::vector<OptionSpec> (*options)(std::string_view policy) = nullptr;
  // The placement that it runs a policy with, whatever the scenario says.
  std::string_view (*placement)(std::string_view policy) = nullptr;
  std::string_view placement_text{};  // the same in words
};

}  // namespace orrery
