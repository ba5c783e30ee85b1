// ORRERY_ASSERT: programmer errors and broken invariants. Always on, in every build: a simulator that
// goes on after a broken invariant prints numbers that nobody should trust. Prints the values and the
// seed of the run in progress on this thread, then throws AssertionFailed (so that tests can see it; the
// command line turns it into exit code 1).
#pragma once

#include <fmt/core.h>

#include <cstdint>
#include <stdexcept>
#include <string>

namespace orrery {

struct AssertionFailed : std::logic_error {
  using std::logic_error::logic_error;
};

// The seed printed by a failing assertion on this thread.
void set_assertion_seed(std::uint64_t seed);

[[noreturn]] void assertion_failed(const char* condition, const char* file, int line, const std::string& detail);

}  // namespace orrery

#define ORRERY_ASSERT(condition, ...)                                                         \
  do {                                                                                        \
    if (!(condition)) [[unlikely]]                                                            \
      ::orrery::assertion_failed(#condition, __FILE__, __LINE__, ::fmt::format(__VA_ARGS__)); \
  } while (false)
