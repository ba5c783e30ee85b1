// What fuzz targets promise of their inputs; a promise that does not hold is an exception, for Catch2 and libFuzzer.
#pragma once

#include <stdexcept>

#include "sim/core/error.hpp"

namespace orrery::test {

inline void require(bool holds, const char* what) {
  if (!holds) throw std::runtime_error(what);
}

// A result, or an error that says something, and not too much.
template <class T>
void require_message(const Expected<T>& result) {
  if (result) return;
  require(!result.error().items.empty(), "an error without a diagnostic");
  for (const Diagnostic& d : result.error().items) require(!d.message.empty(), "a diagnostic without a message");
  require(render(result.error()).size() < 1'000'000, "an error of more than a megabyte");
}

}  // namespace orrery::test
