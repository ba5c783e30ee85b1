// The table of all policies: what `policy list` and `policy show` print, and what makes a policy from its name and
// options. One row per name; a new policy is one .cpp, one declaration in factories.hpp and one row here.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "policies/factories.hpp"

namespace orrery {

// What a policy promises of free capacity beside waiting jobs, by its own placement; a conformance test over random
// worlds holds it to that. Under `emulate:` it promises nothing.
enum class Conserves : std::uint8_t {
  work,     // after every decision no waiting job fits, an elastic one not even on its least number of GPUs
  order,    // a job that fits may wait, but while no node fails only beside another that does not fit
  nothing,  // it does what it is told
};

struct PolicyInfo {
  std::string_view name;
  std::string_view title;   // one line for `policy list`
  std::string_view doc;     // what it does, for `policy show`
  std::string_view source;  // paper
  PolicyFactory make = nullptr;
  std::vector<OptionSpec> options{};
  Conserves conserves = Conserves::work;
};

[[nodiscard]] const std::vector<PolicyInfo>& policy_table();
[[nodiscard]] const PolicyInfo* find_policy(std::string_view name);

}  // namespace orrery
