// What a policy outside of the tree ends with: its rows, handed to the orrery that loads its library.
//
//   const orrery::PolicyInfo mine{.name = "mine", .title = "...", .make = make_mine};
//   ORRERY_POLICIES(mine)
//
// Library and program share classes of C++, so both must be made from the same headers, by a compiler with the same
// standard library; the program checks that before it looks at anything else (scenarios/run/library_policy.cpp).
#pragma once

#include <array>
#include <cstddef>

#include "orrery_interface.hpp"
#include "sim/api/policy_info.hpp"

namespace orrery {

// Raised by hand when policies have to be written otherwise; kInterfaceHeaders changes with every header.
inline constexpr int kInterface = 1;

#ifdef _LIBCPP_VERSION
inline constexpr const char* kStandardLibrary = "libc++";
#elif defined(_GLIBCXX_USE_CXX11_ABI) && _GLIBCXX_USE_CXX11_ABI
inline constexpr const char* kStandardLibrary = "libstdc++";
#else
inline constexpr const char* kStandardLibrary = "libstdc++ before C++11";
#endif

// Of plain C, and never changed: it is read before anything is known of the other side.
struct PolicyLibrary {
  int interface_number;
  const char* headers;
  const char* standard_library;
  const PolicyInfo* const* rows;
  std::size_t count;
};

}  // namespace orrery

// Once in a library, outside of any namespace, with the rows of its policies.
#define ORRERY_POLICIES(...)                                                                        \
  extern "C" const orrery::PolicyLibrary* orrery_policies() {                                       \
    static const auto rows = [](const auto&... row) {                                               \
      return std::array<const orrery::PolicyInfo*, sizeof...(row)>{&row...};                        \
    }(__VA_ARGS__);                                                                                 \
    static const orrery::PolicyLibrary library{orrery::kInterface, orrery::kInterfaceHeaders,       \
                                               orrery::kStandardLibrary, rows.data(), rows.size()}; \
    return &library;                                                                                \
  }
