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
  // Reproduce the quirks of a reference simulator: docs/policies/emulations.md lists them.
  bool emulate_tiresias = false;
  bool emulate_muri = false;
  bool emulate_pollux = false;
  bool emulate_titan = false;
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
