// Where in a JSON text something stands: parsers tell places of syntax errors only. For messages, after the fact.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "sim/core/error.hpp"

namespace orrery {

// Keys of objects and numbers (from 0) of array items, from the root: {"v100", "null"}, {"data", "3"}.
using JsonPath = std::vector<std::string>;

// The place of the value at `path` in a text that is JSON, or of the last value on the way there: line and column
// from 1, and the line itself. A key that is there several times is the last of them, as parsers take it.
[[nodiscard]] Diagnostic at_json_place(const std::string& file, std::string_view text, const JsonPath& path,
                                       std::string message);
// The same for a byte of the text, such as the one where a parser stopped.
[[nodiscard]] Diagnostic at_json_byte(const std::string& file, std::string_view text, std::size_t byte,
                                      std::string message);

}  // namespace orrery
