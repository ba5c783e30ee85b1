// A library that was built against the same interface with other headers.
#include "sim/api/policy_library.hpp"

extern "C" const orrery::PolicyLibrary* orrery_policies() {
  static const orrery::PolicyLibrary library{orrery::kInterface, "0123456789ab", orrery::kStandardLibrary, nullptr,
                                             0};
  return &library;
}
