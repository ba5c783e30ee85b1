// Values of the JSON lines of a stored log, strictly: what cannot be told from another value is an error.
#pragma once

#include <cstdint>
#include <limits>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace orrery {

// What is wrong with a line of a log. Thrown by those who read one and turned into an Error with its position by
// read_event_log; never leaves it.
struct BadLine {
  std::string message;
};

// What BadLine says of a word that is none of `known`, with the one that is meant perhaps.
[[nodiscard]] std::string unknown_word(std::string_view what, std::string_view word,
                                       const std::vector<std::string_view>& known);

// The value of an enumeration that `word` calls so; throws BadLine where it calls none so. Values count from 0
// without gaps, and past the last one `word` says "" or "?".
template <class Enum, class Word>
[[nodiscard]] Enum named_value(std::string_view what, std::string_view name, const Word& word) {
  int values = 0;
  for (std::string_view w = word(Enum{}); w != "?" && (values == 0 || !w.empty());
       w = word(static_cast<Enum>(++values)))
    if (w == name) return static_cast<Enum>(values);
  std::vector<std::string_view> known;
  for (int v = 0; v < values; ++v) known.push_back(word(static_cast<Enum>(v)));
  throw BadLine{unknown_word(what, name, known)};
}

// The line as JSON; throws BadLine where it nests too deeply, and the library's exceptions.
[[nodiscard]] nlohmann::json parse_line(std::string_view line);

// The bits of the number; throws BadLine where it is none from `least` to `most`.
[[nodiscard]] std::uint64_t whole_bits(const nlohmann::json& j, std::int64_t least, std::uint64_t most);
// The member; null where there is none.
[[nodiscard]] const nlohmann::json* member_of(const nlohmann::json& j, const char* key);

// The number as a T; the JSON library would round 1.5 and wrap 1e77.
template <typename T>
[[nodiscard]] T whole(const nlohmann::json& j) {
  return static_cast<T>(whole_bits(j, static_cast<std::int64_t>(std::numeric_limits<T>::min()),
                                   static_cast<std::uint64_t>(std::numeric_limits<T>::max())));
}

template <typename T>
[[nodiscard]] T whole(const nlohmann::json& j, const char* key, T otherwise) {
  const nlohmann::json* const at = member_of(j, key);
  return at == nullptr ? otherwise : whole<T>(*at);
}

}  // namespace orrery
