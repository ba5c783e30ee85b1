// Words with something between them. fmt::join does it for any type, which costs every file that uses it the
// compiling of a formatter.
#pragma once

#include <string>
#include <string_view>

namespace orrery {

template <class Words>
[[nodiscard]] std::string joined(const Words& words, std::string_view between) {
  std::string out;
  bool first = true;
  for (const std::string_view word : words) {
    if (!first) out += between;
    first = false;
    out += word;
  }
  return out;
}

}  // namespace orrery
