// A library that was built against an interface of another number.
#include "sim/api/policy_library.hpp"

extern "C" const orrery::PolicyLibrary* orrery_policies() {
  static const orrery::PolicyLibrary library{orrery::kInterface - 1, orrery::kInterfaceHeaders,
                                             orrery::kStandardLibrary, nullptr, 0};
  return &library;
}
