// YAML as scenarios are written: scalars that read back as what they were; maps of tables of keys are in
// yaml_walk.hpp. A value is its text behind the colon; one that is a block begins with a newline. An empty one is not
// written.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace orrery::app {

// A scalar that reads back as the same text, in quotes where it would not without.
[[nodiscard]] std::string yaml_scalar(const std::string& text);
// Always in quotes.
[[nodiscard]] std::string yaml_quoted(const std::string& text);
// An item of a list in one line ("[a, b]"), in quotes only where it would not read back as the same text without.
[[nodiscard]] std::string yaml_item(const std::string& text);
// A decimal that parse_fixed(…, 9) reads back as the same number.
[[nodiscard]] std::string yaml_decimal(double v);
// `v` / 10^digits, exactly; not negative.
[[nodiscard]] std::string yaml_fixed(std::int64_t v, int digits);
// A path that means the same from any directory: as written where that begins with a variable, else absolute.
[[nodiscard]] std::string yaml_path(const std::string& written, const std::string& resolved);

// "key: value" as a line of a block.
[[nodiscard]] std::string yaml_line(std::string_view key, const std::string& value, int indent);

}  // namespace orrery::app
