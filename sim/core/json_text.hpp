// JSON from text and to text. The library's parser and writer are large templates, which every file that calls them
// would compile for itself; these functions are compiled once. What looks into a value includes <nlohmann/json.hpp>.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

namespace orrery {

// The value; `is_discarded()` where the text is not JSON.
[[nodiscard]] nlohmann::json read_json(std::string_view text);
// The value; throws the library's exceptions, which tell the byte.
[[nodiscard]] nlohmann::json parse_json(std::string_view text);

// On one line, or with so many spaces for each level; throws where a string is not UTF-8.
[[nodiscard]] std::string json_text(const nlohmann::json& value, int indent = -1);
[[nodiscard]] std::string json_text(const nlohmann::ordered_json& value, int indent = -1);
// On one line; what is not UTF-8 becomes the replacement character.
[[nodiscard]] std::string json_line(const nlohmann::json& value);
[[nodiscard]] std::string json_line(const nlohmann::ordered_json& value);

}  // namespace orrery
