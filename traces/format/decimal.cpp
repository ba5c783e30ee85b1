#include "traces/format/decimal.hpp"

#include <fmt/format.h>

namespace orrery {

void append_fixed(std::string& out, std::int64_t value, int digits) {
  std::string text = fmt::format("{:0{}}", value, digits + 1);
  text.insert(text.size() - static_cast<std::size_t>(digits), ".");
  while (text.back() == '0') text.pop_back();
  if (text.back() == '.') text.pop_back();
  out += text;
}

std::string seconds_text(std::int64_t ns) {
  std::string out;
  append_fixed(out, ns, 9);
  return out;
}

}  // namespace orrery
