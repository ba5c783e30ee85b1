#include "sim/api/json_values.hpp"

#include <fmt/format.h>

#include "sim/core/error.hpp"
#include "sim/core/json.hpp"
#include "sim/core/json_text.hpp"

namespace orrery {

std::string unknown_word(std::string_view what, std::string_view word, const std::vector<std::string_view>& known) {
  const std::string_view near = closest(word, known);
  return fmt::format("unknown {} `{}`{}", what, word, near.empty() ? "" : fmt::format("; did you mean `{}`?", near));
}

nlohmann::json parse_line(std::string_view line) {
  if (nests_too_deeply(line))
    throw BadLine{fmt::format("this line nests lists and objects more than {} deep", kJsonLevels)};
  return parse_json(line);
}

std::uint64_t whole_bits(const nlohmann::json& j, std::int64_t least, std::uint64_t most) {
  if (j.is_number_unsigned()) {
    if (const auto n = j.get<std::uint64_t>(); n <= most && std::cmp_greater_equal(n, least)) return n;
  } else if (j.is_number_integer()) {
    if (const auto n = j.get<std::int64_t>(); n >= least && std::cmp_less_equal(n, most))
      return static_cast<std::uint64_t>(n);
  }
  throw BadLine{fmt::format("{} where a whole number from {} to {} should be", json_text(j), least, most)};
}

const nlohmann::json* member_of(const nlohmann::json& j, const char* key) {
  const auto at = j.find(key);
  return at == j.end() ? nullptr : &*at;
}

}  // namespace orrery
