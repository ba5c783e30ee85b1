// Small questions about text that many tests ask.
#pragma once

#include <fmt/format.h>

#include <fstream>
#include <iterator>
#include <string>

namespace orrery::test {

inline bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

// With as many decimals as the source that is compared with printed.
inline std::string as_printed(double value, const std::string& like) {
  const std::size_t dot = like.find('.');
  return fmt::format("{:.{}f}", value, dot == std::string::npos ? 0 : like.size() - dot - 1);
}

// All bytes of a file; "" where there is none.
inline std::string text_of(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

}  // namespace orrery::test
