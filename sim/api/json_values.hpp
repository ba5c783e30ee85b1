// Values of the JSON lines of a stored log, strictly: what cannot be told from another value is an error.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "sim/core/json_text.hpp"

namespace orrery {

// What is wrong with a line of a log. Thrown by those who read one and turned into an Error with its position by
// read_event_log; never leaves it.
struct BadLine {
  std::string message;
};

// The number as a T; the JSON library would round 1.5 and wrap 1e77.
template <typename T>
[[nodiscard]] T whole(const nlohmann::json& j) {
  const bool fits = j.is_number_unsigned()  ? std::in_range<T>(j.get<std::uint64_t>())
                    : j.is_number_integer() ? std::in_range<T>(j.get<std::int64_t>())
                                            : false;
  if (!fits)
    throw BadLine{fmt::format("{} where a whole number from {} to {} should be", json_text(j),
                              std::numeric_limits<T>::min(), std::numeric_limits<T>::max())};
  return static_cast<T>(j.get<std::int64_t>());
}

template <typename T>
[[nodiscard]] T whole(const nlohmann::json& j, const char* key, T otherwise) {
  const auto at = j.find(key);
  return at == j.end() ? otherwise : whole<T>(*at);
}

}  // namespace orrery
