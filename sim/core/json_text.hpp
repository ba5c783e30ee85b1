// JSON from text and to text. The library's parser and writer are large templates, which every file that calls them
// would compile for itself; these functions are compiled once. What looks into a value includes sim/core/json.hpp.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

namespace orrery {

// Whether the text nests lists and objects more than kJsonLevels deep. The library writes and frees a value by
// recursion: a line of a million brackets would end the program. Nothing that is read here nests more than ten.
inline constexpr int kJsonLevels = 64;
[[nodiscard]] bool nests_too_deeply(std::string_view text);

// The value; `is_discarded()` where the text is not JSON, or nests too deeply.
[[nodiscard]] nlohmann::json read_json(std::string_view text);
[[nodiscard]] nlohmann::ordered_json read_ordered_json(std::string_view text);
// The value; throws the library's exceptions, which tell the byte.
[[nodiscard]] nlohmann::json parse_json(std::string_view text);

// On one line, or with so many spaces for each level; throws where a string is not UTF-8.
[[nodiscard]] std::string json_text(const nlohmann::json& value, int indent = -1);
[[nodiscard]] std::string json_text(const nlohmann::ordered_json& value, int indent = -1);
// On one line; what is not UTF-8 becomes the replacement character.
[[nodiscard]] std::string json_line(const nlohmann::json& value);
[[nodiscard]] std::string json_line(const nlohmann::ordered_json& value);

}  // namespace orrery
