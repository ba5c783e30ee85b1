// Names of things that people write in several spellings, such as GPU types: `A100` and `a100` are one.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>

namespace orrery {

[[nodiscard]] inline char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

// Whether two names are the same but for the case of Latin letters.
[[nodiscard]] inline bool same_name(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) { return lower(x) == lower(y); });
}

// The position of the first name in `names` that is the same, or their number.
template <class Names>
[[nodiscard]] std::size_t find_name(const Names& names, std::string_view name) {
  const auto it = std::find_if(names.begin(), names.end(), [name](const auto& n) { return same_name(n, name); });
  return static_cast<std::size_t>(it - names.begin());
}

}  // namespace orrery
