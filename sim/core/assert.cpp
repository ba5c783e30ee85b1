#include "sim/core/assert.hpp"

namespace orrery {
namespace {
thread_local std::uint64_t current_seed = 0;
}

void set_assertion_seed(std::uint64_t seed) {
  current_seed = seed;
}

void assertion_failed(const char* condition, const char* file, int line, const std::string& detail) {
  throw AssertionFailed(
      fmt::format("{}:{}: invariant `{}` does not hold: {} (seed {})", file, line, condition, detail, current_seed));
}

}  // namespace orrery
