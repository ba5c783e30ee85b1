// How policies are made. Each policy's .cpp defines one factory per name it implements; registry.cpp lists them.
#pragma once

#include <cstdint>
#include <memory>

#include "sim/api/options.hpp"
#include "sim/api/placement.hpp"
#include "sim/api/policy.hpp"

namespace orrery {

// What every policy is given besides its own options.
struct PolicySetup {
  std::unique_ptr<Placement> placement;
  std::uint64_t seed = 1;
  bool emulate_tiresias = false;  // reproduce the reference simulator's quirks (policies.md 1.4, 1.5, 9)
  bool emulate_muri = false;      // policies.md 5.2
  bool emulate_pollux = false;    // policies.md 5.1
  bool emulate_titan = false;     // policies.md 5.3
};

using PolicyFactory = std::unique_ptr<Policy> (*)(PolicySetup, OptionReader&);

std::unique_ptr<Policy> make_fifo(PolicySetup setup, OptionReader& options);
std::unique_ptr<Policy> make_fjf(PolicySetup setup, OptionReader& options);
std::unique_ptr<Policy> make_sjf(PolicySetup setup, OptionReader& options);
std::unique_ptr<Policy> make_lpjf(PolicySetup setup, OptionReader& options);
std::unique_ptr<Policy> make_easy(PolicySetup setup, OptionReader& options);
std::unique_ptr<Policy> make_conservative(PolicySetup setup, OptionReader& options);
std::unique_ptr<Policy> make_srtf(PolicySetup setup, OptionReader& options);
std::unique_ptr<Policy> make_srsf(PolicySetup setup, OptionReader& options);
std::unique_ptr<Policy> make_smallest(PolicySetup setup, OptionReader& options);
std::unique_ptr<Policy> make_qssf(PolicySetup setup, OptionReader& options);
std::unique_ptr<Policy> make_las(PolicySetup setup, OptionReader& options);
std::unique_ptr<Policy> make_gittins(PolicySetup setup, OptionReader& options);
std::unique_ptr<Policy> make_edf(PolicySetup setup, OptionReader& options);
std::unique_ptr<Policy> make_drf(PolicySetup setup, OptionReader& options);
std::unique_ptr<Policy> make_gandiva(PolicySetup setup, OptionReader& options);
std::unique_ptr<Policy> make_optimus(PolicySetup setup, OptionReader& options);
std::unique_ptr<Policy> make_scripted(PolicySetup setup, OptionReader& options);
std::unique_ptr<Policy> make_themis(PolicySetup setup, OptionReader& options);
std::unique_ptr<Policy> make_tiresias(PolicySetup setup, OptionReader& options);
std::unique_ptr<Policy> make_titan(PolicySetup setup, OptionReader& options);

}  // namespace orrery
