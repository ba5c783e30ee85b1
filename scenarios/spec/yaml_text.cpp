#include "scenarios/spec/yaml_text.hpp"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <filesystem>
#include <system_error>

#include "scenarios/spec/scenario.hpp"

namespace orrery::app {
namespace {

std::string without_zeros(std::string text) {
  while (text.back() == '0') text.pop_back();
  if (text.back() == '.') text.pop_back();
  return text;
}

// Words that YAML takes for nothing at all.
bool is_null_word(const std::string& text) {
  return text == "~" || text == "null" || text == "Null" || text == "NULL";
}

// Whether it reads back as the same text without quotes.
bool is_item(const std::string& text) {
  try {
    const YAML::Node list = YAML::Load("[" + text + "]");
    return list.IsSequence() && list.size() == 1 && list[0].IsScalar() && list[0].Scalar() == text;
  } catch (const YAML::Exception&) {
    return false;
  }
}

}  // namespace

std::string yaml_scalar(const std::string& text) {
  const auto plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
           c == '.' || c == '/' || c == '+';
  };
  bool simple = !text.empty() && text.front() != '-' && text.front() != '.' && !is_null_word(text);
  for (const char c : text) simple = simple && plain(c);
  return simple ? text : yaml_quoted(text);
}

std::string yaml_quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') out += '\\';
    if (c == '\n')
      out += "\\n";
    else if (byte < 0x20)
      out += fmt::format("\\x{:02x}", byte);
    else
      out += c;
  }
  return out + "\"";
}

std::string yaml_item(const std::string& text) {
  const bool plain = text.find_first_of("[]{},\"'\\#&*!|>%@`:\n\t") == std::string::npos && is_item(text);
  return plain ? text : yaml_quoted(text);
}

std::string yaml_decimal(double v) {
  return without_zeros(fmt::format("{:.9f}", v));
}

std::string yaml_fixed(std::int64_t v, int digits) {
  std::int64_t unit = 1;
  for (int i = 0; i < digits; ++i) unit *= 10;
  return without_zeros(fmt::format("{}.{:0{}}", v / unit, v % unit, digits));
}

std::string yaml_path(const std::string& written, const std::string& resolved) {
  namespace fs = std::filesystem;
  const bool variable = written.rfind(kTracesVariable, 0) == 0;
  std::error_code ignored;
  const fs::path absolute = fs::absolute(resolved, ignored).lexically_normal();
  return yaml_scalar(variable ? written : absolute.string());
}

std::string yaml_line(std::string_view key, const std::string& value, int indent) {
  return fmt::format("\n{:{}}{}:{}{}", "", indent, key, value.front() == '\n' ? "" : " ", value);
}

}  // namespace orrery::app
