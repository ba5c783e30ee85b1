#include "traces/format/wall_clock.hpp"

#include <array>

namespace orrery {
namespace {

// Days since 1970-01-01 of a civil date (Howard Hinnant's days_from_civil).
std::int64_t days_from_civil(std::int64_t y, unsigned m, unsigned d) {
  y -= m <= 2;
  const std::int64_t era = (y >= 0 ? y : y - 399) / 400;
  const auto yoe = static_cast<unsigned>(y - era * 400);
  const unsigned doy = (153 * (m + (m > 2 ? -3u : 9u)) + 2) / 5 + d - 1;
  const unsigned doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
  return era * 146097 + static_cast<std::int64_t>(doe) - 719468;
}

unsigned days_in_month(unsigned year, unsigned month) {
  constexpr std::array<unsigned, 12> kDays{31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  const bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
  return kDays[month - 1] + (month == 2 && leap ? 1 : 0);
}

// The digits of t[from, from + size) as a number.
std::optional<unsigned> number(std::string_view t, std::size_t from, std::size_t size) {
  unsigned v = 0;
  for (const char c : t.substr(from, size)) {
    if (c < '0' || c > '9') return std::nullopt;
    v = 10 * v + static_cast<unsigned>(c - '0');
  }
  return v;
}

}  // namespace

std::optional<std::int64_t> parse_wall_clock(std::string_view t) {
  if (t.size() != 19 || t[4] != '-' || t[7] != '-' || (t[10] != ' ' && t[10] != 'T') || t[13] != ':' || t[16] != ':')
    return std::nullopt;
  const auto year = number(t, 0, 4), month = number(t, 5, 2), day = number(t, 8, 2), hour = number(t, 11, 2),
             minute = number(t, 14, 2), second = number(t, 17, 2);
  if (!year || !month || !day || !hour || !minute || !second) return std::nullopt;
  if (*year < 1970 || *year > 2200) return std::nullopt;  // what nanoseconds in 64 bits can tell apart
  if (*month < 1 || *month > 12 || *day < 1 || *day > days_in_month(*year, *month)) return std::nullopt;
  if (*hour > 23 || *minute > 59 || *second > 60) return std::nullopt;
  return days_from_civil(*year, *month, *day) * 86400 + *hour * 3600 + *minute * 60 + *second;
}

std::optional<std::int64_t> parse_zoned_clock(std::string_view t) {
  if (t.size() != 25 || (t[19] != '+' && t[19] != '-') || t[22] != ':') return std::nullopt;
  const auto clock = parse_wall_clock(t.substr(0, 19));
  const auto hours = number(t, 20, 2), minutes = number(t, 23, 2);
  if (!clock || !hours || !minutes || *hours > 23 || *minutes > 59) return std::nullopt;
  const std::int64_t east = *hours * 3600 + *minutes * 60;
  return *clock - (t[19] == '+' ? east : -east);
}

}  // namespace orrery
