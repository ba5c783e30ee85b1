#include "sim/core/text.hpp"

#include <algorithm>
#include <array>
#include <iterator>
#include <limits>

namespace orrery {

namespace {

// The digits of `value`, last first, into the end of `buffer`; returns where they start.
template <std::size_t N>
std::size_t write_decimal(std::array<char, N>& buffer, Int128 value, int digits) {
  std::size_t at = buffer.size();
  bool significant = false;  // a non-zero fraction digit has been seen
  for (int i = 0; i < digits; ++i, value /= 10) {
    const int d = static_cast<int>(value % 10);
    if (!significant && d == 0) continue;
    significant = true;
    buffer[--at] = static_cast<char>('0' + d);
  }
  if (significant) buffer[--at] = '.';
  do {
    buffer[--at] = static_cast<char>('0' + static_cast<int>(value % 10));
    value /= 10;
  } while (value != 0);
  return at;
}

constexpr auto kPowers = [] {
  std::array<std::uint64_t, 19> of_ten{1};
  for (std::size_t i = 1; i < of_ten.size(); ++i) of_ten[i] = 10 * of_ten[i - 1];
  return of_ten;
}();

void append_small(std::string& out, std::uint64_t value, int digits) {
  const std::uint64_t power = kPowers[static_cast<std::size_t>(digits)];
  const std::uint64_t whole = value / power;
  std::uint64_t fraction = value % power;
  const fmt::format_int text(whole);
  out.append(text.data(), text.size());
  if (fraction == 0) return;
  for (; fraction % 10 == 0; fraction /= 10) --digits;
  std::array<char, kPowers.size() + 1> buffer;
  buffer[0] = '.';
  for (int i = digits; i > 0; --i, fraction /= 10)
    buffer[static_cast<std::size_t>(i)] = static_cast<char>('0' + static_cast<int>(fraction % 10));
  out.append(buffer.data(), static_cast<std::size_t>(digits) + 1);
}

}  // namespace

void append_decimal(std::string& out, Int128 value, int digits) {
  if (value < 0) {
    out.push_back('-');
    value = -value;
  }
  // 64-bit division is several times faster, and nearly all values are small; most are whole.
  if (value <= std::numeric_limits<std::int64_t>::max() && digits < static_cast<int>(kPowers.size())) {
    append_small(out, static_cast<std::uint64_t>(value), digits);
    return;
  }
  std::array<char, 48> buffer{};
  const std::size_t at = write_decimal(buffer, value, digits);
  out.append(&buffer[at], buffer.size() - at);
}

void append_csv(std::string& out, std::string_view field) {
  if (field.find_first_of(",\"\r\n") == std::string_view::npos) {
    out.append(field);
    return;
  }
  out.push_back('"');
  for (const char c : field) {
    if (c == '"') out.push_back('"');
    out.push_back(c);
  }
  out.push_back('"');
}

void append_json(std::string& out, std::string_view text) {
  out.push_back('"');
  const auto plain = [](char c) { return static_cast<unsigned char>(c) >= 0x20 && c != '"' && c != '\\'; };
  if (std::all_of(text.begin(), text.end(), plain)) {
    out.append(text);
  } else {
    for (const char c : text) {
      if (plain(c))
        out.push_back(c);
      else if (c == '"' || c == '\\')
        out.append({'\\', c});
      else
        out += fmt::format("\\u{:04x}", static_cast<unsigned>(static_cast<unsigned char>(c)));
    }
  }
  out.push_back('"');
}

}  // namespace orrery
