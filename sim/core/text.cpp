#include "sim/core/text.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <iterator>
#include <limits>

namespace orrery {

namespace {

constexpr std::uint64_t kBillion = 1'000'000'000;

constexpr auto kPowers = [] {
  std::array<std::uint64_t, 20> of_ten{1};
  for (std::size_t i = 1; i < of_ten.size(); ++i) of_ten[i] = 10 * of_ten[i - 1];
  return of_ten;
}();

constexpr auto kPairs = [] {  // "00" to "99"
  std::array<char, 200> digits{};
  for (std::size_t i = 0; i < digits.size(); ++i)
    digits[i] = static_cast<char>('0' + (i % 2 == 0 ? i / 20 : i / 2 % 10));
  return digits;
}();

// The last `count` digits of v, with zeros before them.
char* write_digits(char* to, std::uint32_t v, int count) {
  char* at = to + count;
  for (; at - to >= 2; v /= 100) {
    at -= 2;
    std::memcpy(at, &kPairs[2 * (v % 100)], 2);
  }
  if (at != to) *to = static_cast<char>('0' + v % 10);
  return to + count;
}

// How many digits v has.
int width(std::uint32_t v) {
  const int about = std::bit_width(v | 1) * 1233 >> 12;  // log10(2) in 4096ths: right, or one too few
  return about + (v >= kPowers[static_cast<std::size_t>(about)] ? 1 : 0) + (v == 0 ? 1 : 0);
}

// Most values are whole seconds in ns: nine digits at a time, and those are often zeros.
char* write_unsigned(char* to, std::uint64_t v) {
  if (v < kBillion) return write_digits(to, static_cast<std::uint32_t>(v), width(static_cast<std::uint32_t>(v)));
  to = write_unsigned(to, v / kBillion);
  if (const std::uint64_t rest = v % kBillion; rest != 0)
    return write_digits(to, static_cast<std::uint32_t>(rest), 9);
  std::memcpy(to, "000000000", 9);
  return to + 9;
}

// value / 10^digits by division of 128 bits.
char* write_large(char* to, Int128 value, int digits) {
  char text[kMostOfDecimal];
  char* at = std::end(text);
  bool significant = false;  // a non-zero fraction digit has been seen
  for (int i = 0; i < digits; ++i, value /= 10) {
    const int d = static_cast<int>(value % 10);
    if (!significant && d == 0) continue;
    significant = true;
    *--at = static_cast<char>('0' + d);
  }
  if (significant) *--at = '.';
  do {
    *--at = static_cast<char>('0' + static_cast<int>(value % 10));
    value /= 10;
  } while (value != 0);
  return std::copy(at, std::end(text), to);
}

template <class Out>
void append_field_of_csv(Out& out, std::string_view field) {
  const auto special = [](char c) { return c == ',' || c == '"' || c == '\r' || c == '\n'; };
  if (std::none_of(field.begin(), field.end(), special)) {
    out += field;
    return;
  }
  out.push_back('"');
  for (const char c : field) {
    if (c == '"') out.push_back('"');
    out.push_back(c);
  }
  out.push_back('"');
}

}  // namespace

char* write_int(char* to, std::int64_t v) {
  if (v >= 0) return write_unsigned(to, static_cast<std::uint64_t>(v));
  *to = '-';
  return write_unsigned(to + 1, 0 - static_cast<std::uint64_t>(v));
}

char* write_decimal(char* to, Int128 value, int digits) {
  if (value < 0) {
    *to++ = '-';
    value = -value;
  }
  // 64-bit division is several times faster, and nearly all values are small; most are whole.
  if (value > std::numeric_limits<std::int64_t>::max() || digits >= static_cast<int>(kPowers.size()))
    return write_large(to, value, digits);
  const std::uint64_t power = kPowers[static_cast<std::size_t>(digits)];
  const auto small = static_cast<std::uint64_t>(value);
  to = write_unsigned(to, small / power);
  std::uint64_t fraction = small % power;
  if (fraction == 0) return to;
  for (; fraction % 10 == 0; fraction /= 10) --digits;
  *to = '.';
  for (int i = digits; i > 0; --i, fraction /= 10) to[i] = static_cast<char>('0' + static_cast<int>(fraction % 10));
  return to + digits + 1;
}

void append_csv(std::string& out, std::string_view field) {
  append_field_of_csv(out, field);
}
void append_csv(TextBuffer& out, std::string_view field) {
  append_field_of_csv(out, field);
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
