#include "sim/core/json_text.hpp"

#include "sim/core/json.hpp"

namespace orrery {

bool nests_too_deeply(std::string_view text) {
  int level = 0;
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '"') quoted = !quoted;
    if (quoted) {
      if (c == '\\') ++i;
    } else if (c == '[' || c == '{') {
      if (++level > kJsonLevels) return true;
    } else if (c == ']' || c == '}') {
      --level;
    }
  }
  return false;
}

nlohmann::json read_json(std::string_view text) {
  if (nests_too_deeply(text)) return nlohmann::json::value_t::discarded;
  return nlohmann::json::parse(text.data(), text.data() + text.size(), nullptr, false);
}

nlohmann::ordered_json read_ordered_json(std::string_view text) {
  if (nests_too_deeply(text)) return nlohmann::ordered_json::value_t::discarded;
  return nlohmann::ordered_json::parse(text.data(), text.data() + text.size(), nullptr, false);
}

nlohmann::json parse_json(std::string_view text) {
  return nlohmann::json::parse(text.data(), text.data() + text.size());
}

std::string json_text(const nlohmann::json& value, int indent) {
  return value.dump(indent);
}

std::string json_text(const nlohmann::ordered_json& value, int indent) {
  return value.dump(indent);
}

std::string json_line(const nlohmann::json& value) {
  return value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string json_line(const nlohmann::ordered_json& value) {
  return value.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace orrery

ORRERY_JSON_PARTS(, nlohmann::basic_json<>)
ORRERY_JSON_PARTS(, nlohmann::basic_json<nlohmann::ordered_map>)
